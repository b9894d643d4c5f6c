package import FileBytes

extension Fingerprint {
  /// What the numbers of a measurement depend on.
  ///
  /// - Parameters:
  ///   - version: The version of Pouch.
  ///   - task: What is measured: `perplexity`, `base file`, `lock-step` or `base`.
  ///   - procedure: The windows and the compute mode in words.
  ///   - text: The text; `nil` when the windows come from a base file.
  ///   - windows: The windows of each model.
  ///   - models: The ``ModelFingerprint`` of each model, in order.
  ///   - base: That of the base model or base file, if there is one.
  ///   - output: The name and format of the base file that is written, if one is.
  package init(
    version: String, task: String, procedure: String, text: EvaluationText?, windows: [TokenWindows],
    models: [String], base: String? = nil, output: String? = nil
  ) {
    self.init(task: task, version: version)
    add("the procedure", procedure)
    if let text { add("the text", "xxh64 \(text.hashText)") }
    add("the number of models", "\(models.count)")
    for (index, model) in models.enumerated() { add("model \(index + 1)", model, .named) }
    if let base { add("the base", base, .named) }
    if let output { add("the base file to write", output) }
    // Tokens follow from the text and the models; alone they change with a tokenizer that was edited in place.
    var tokens = FieldHash()
    for part in windows { tokens.add(Int(bitPattern: UInt(part.fingerprint))) }
    add("the tokens of the text", tokens, .consequence)
  }
}
