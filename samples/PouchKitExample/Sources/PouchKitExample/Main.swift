import ExampleVerbs
import Foundation

@main
enum Main {
  static func main() throws {
    guard CommandLine.arguments.count == 3 else {
      print("usage: PouchKitExample CHECKPOINT OUTPUT.gguf")
      exit(2)
    }
    try Tour(model: CommandLine.arguments[1], output: CommandLine.arguments[2]).run { print($0) }
  }
}
