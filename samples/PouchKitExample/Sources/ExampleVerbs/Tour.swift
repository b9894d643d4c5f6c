import PouchKit

/// All verbs, one after the other, on one checkpoint.
public struct Tour {
  /// The checkpoint's folder.
  public var model: String
  /// The GGUF file to make.
  public var output: String

  /// Creates a tour.
  public init(model: String, output: String) {
    self.model = model
    self.output = output
  }

  /// Converts, validates, estimates, measures and generates.
  ///
  /// - Parameter say: Called with each line of the results.
  /// - Throws: What the verbs throw.
  public func run(_ say: (String) -> Void) throws {
    let plan = try convert(model, to: output)
    say("converted: \(plan.fileByteCount) bytes")
    let report = try validate(output, against: model)
    say("sound: \(report.isSound), \(report.against?.verdict.rawValue ?? "not compared")")
    for line in try estimate(model) { say(line) }
    let divergence = try measure(output, from: model, windows: 2)
    say("divergence: \(divergence.meanDivergence.value)")
    say("answer: \(try generate(output, "Draw a red circle.").text)")
  }
}
