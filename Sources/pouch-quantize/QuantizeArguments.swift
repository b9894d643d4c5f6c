import CommandSupport
import QuantRecipes

/// The positional arguments of llama-quantize: `in.gguf [out.gguf] TYPE [threads]`, without TYPE beside a recipe.
struct QuantizeArguments {
  var input: String
  var output: String?
  /// The type; `nil` with a recipe, which takes its place.
  var mix: StockMix?
  var threadCount: Int?

  init(_ words: [String], recipe: String?) throws {
    guard let first = words.first else {
      throw UsageError(
        "arguments", expected: "<input.gguf> [<output.gguf>] <type> [<threads>]", found: "none")
    }
    input = first
    var rest = Array(words.dropFirst())
    if recipe != nil {
      // A number alone is the count of threads, as it is after an output.
      if let word = rest.first, Int(word) == nil {
        guard (try? StockMix(name: word)) == nil else {
          throw UsageError(
            "type", expected: "no type beside --recipe", found: word, remedy: "a recipe chooses all types")
        }
        output = rest.removeFirst()
      }
      try finish(rest)
      return
    }
    guard !rest.isEmpty else {
      throw UsageError("type", expected: "a type such as Q4_K_M after the input", found: "nothing")
    }
    // As in llama-quantize, a second word that is a type means that the output gets a name of its own.
    if let mix = try? StockMix(name: rest[0]), !rest[0].lowercased().hasSuffix(".gguf") {
      self.mix = mix
      rest.removeFirst()
    } else {
      output = rest.removeFirst()
      guard let name = rest.first else {
        throw UsageError(
          "type", expected: "a type such as Q4_K_M after the output", found: "nothing after \(output ?? "")")
      }
      mix = try StockMix(name: name)
      rest.removeFirst()
    }
    try finish(rest)
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
