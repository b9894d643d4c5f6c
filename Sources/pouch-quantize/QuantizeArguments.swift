import CommandSupport
import QuantRecipes

/// The positional arguments of llama-quantize, `in.gguf [out.gguf] TYPE [threads]`, with one or more types with commas
/// between; beside recipes without any as well.
struct QuantizeArguments {
  var input: String
  var output: String?
  /// The types; empty where recipes take their place.
  var mixes: [StockMix] = []
  var threadCount: Int?

  init(_ words: [String], hasRecipes: Bool) throws {
    guard let first = words.first else {
      throw UsageError(
        "arguments", expected: "<input.gguf> [<output.gguf>] <type> [<threads>]", found: "none")
    }
    input = first
    var rest = Array(words.dropFirst())
    // A number alone beside recipes is the count of threads, as it is after a type.
    func isThreads(_ word: String) -> Bool { hasRecipes && Int(word) != nil }
    // As in llama-quantize, a second word that is a type means that the output gets a name of its own.
    if let word = rest.first, !isThreads(word), !Self.namesTypes(word) { output = rest.removeFirst() }
    if let word = rest.first, !isThreads(word) {
      mixes = try MixArguments.names(in: word).map { try StockMix(name: $0) }
      rest.removeFirst()
    } else if !hasRecipes {
      throw UsageError(
        "type", expected: "a type such as Q4_K_M after the \(output == nil ? "input" : "output")",
        found: output.map { "nothing after \($0)" } ?? "nothing")
    }
    try finish(rest)
  }

  /// Whether a word is a list of types, as opposed to the name of a file; one that is misspelt among others does not matter.
  private static func namesTypes(_ word: String) -> Bool {
    !word.lowercased().hasSuffix(".gguf")
      && MixArguments.names(in: word).contains { (try? StockMix(name: $0)) != nil }
  }

  /// Reads what follows the output and the type: the threads.
  private mutating func finish(_ words: [String]) throws {
    var rest = words
    if let word = rest.first {
      guard let count = Int(word), count > 0 else {
        throw UsageError("threads", expected: "a number of at least 1", found: word)
      }
      threadCount = count
      rest.removeFirst()
    }
    guard rest.isEmpty else {
      throw UsageError(
        "arguments", expected: "nothing after the threads",
        found: rest.map { "\"\($0)\"" }.joined(separator: " "),
        remedy: "the order is input, output, type, threads")
    }
  }
}
