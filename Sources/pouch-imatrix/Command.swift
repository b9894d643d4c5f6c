import ArgumentParser
import CommandSupport

@main
struct Command: PouchCommand {
  static let configuration = CommandConfiguration(commandName: "pouch-imatrix")
}
