import ModelEvaluation

/// What the checks of layer C are about, in words, so that nobody takes them for more.
enum ChecksText {
  /// `3 of 4 checks (bicycle, its colour)`.
  static func met(_ met: [Bool], _ assertions: [GeometryAssertion]) -> String {
    "\(met.count { $0 }) of \(assertions.count) checks ("
      + GeometryAssertion.subjects(assertions).joined(separator: ", ") + ")"
  }

  /// What all prompts' checks cover.
  static func scope(_ prompts: [DrawingPrompt]) -> String {
    let checked = prompts.filter { !$0.assertions.isEmpty }
    let subjects = GeometryAssertion.subjects(checked.flatMap(\.assertions))
    return "checked in \(checked.count) of \(prompts.count) prompts: \(subjects.joined(separator: ", ")); "
      + "what else a prompt names, such as the animal, is not"
  }
}
