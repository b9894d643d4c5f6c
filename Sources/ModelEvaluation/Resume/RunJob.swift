/// What the numbers of a run depend on; a state is valid for exactly one value.
public struct RunJob: Codable, Hashable, Sendable {
  /// The version of Pouch.
  public var version: String
  /// What is measured: `perplexity`, `base file`, `lock-step` or `base`.
  public var task: String
  /// The windows and the compute mode in words.
  public var procedure: String
  /// The text's hash; empty when the windows come from a base file.
  public var text: String
  /// The hash of each model's windows.
  public var tokens: [String]
  /// The fingerprint of each model, in order.
  public var models: [String]
  /// The fingerprint of the base model or base file; empty when there is none.
  public var base: String
  /// The name and format of the base file that is written; empty when there is none.
  public var output: String

  /// Describes a run.
  public init(
    version: String, task: String, procedure: String, text: EvaluationText?, windows: [TokenWindows],
    models: [String], base: String = "", output: String = ""
  ) {
    self.version = version
    self.task = task
    self.procedure = procedure
    self.text = text?.hashText ?? ""
    tokens = windows.map { hexadecimal($0.fingerprint) }
    self.models = models
    self.base = base
    self.output = output
  }

  /// The parts in which `other`, the job wanted now, differs, in words.
  func differences(from other: RunJob) -> [String] {
    var parts: [String] = []
    if version != other.version { parts.append("the version of Pouch (\(version), now \(other.version))") }
    if task != other.task { parts.append("what is measured (\(task), now \(other.task))") }
    if procedure != other.procedure { parts.append("the procedure (\(procedure), now \(other.procedure))") }
    if text != other.text { parts.append("the text (xxh64 \(text), now \(other.text))") }
    if models.count != other.models.count {
      parts.append("the number of models (\(models.count), now \(other.models.count))")
    } else if models != other.models {
      let changed = models.indices.filter { models[$0] != other.models[$0] }.map { "\($0 + 1)" }
      parts.append("model " + changed.joined(separator: ", "))
    }
    if base != other.base { parts.append("the base") }
    if output != other.output { parts.append("the base file to write (\(output), now \(other.output))") }
    // Tokens follow from the parts above; alone they change with a tokenizer that was edited in place.
    if parts.isEmpty, tokens != other.tokens { parts.append("the tokens of the text") }
    return parts
  }
}
