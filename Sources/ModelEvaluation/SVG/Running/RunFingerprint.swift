/// What the results of a contestant depend on, as one line of `name value` pairs.
struct RunFingerprint {
  /// The line of a run.
  let line: String

  init(_ contestant: SVGContestant, _ prompts: PromptSet, _ options: SVGRunOptions) {
    line =
      "pouch-svg-eval 1; prompts \(String(prompts.hash, radix: 16)); model \(contestant.identity); "
      + "mode \(contestant.mode); limit \(options.tokenLimit); samples \(options.sampleCount); "
      + "temperature \(options.temperature); seed \(options.seed); template \(options.usesChatTemplate)"
      + (contestant.kind == .floor ? "; cache f16" : "")
  }

  /// The flags and files that differ between two lines, in words.
  static func differences(found: String, wanted: String) -> String {
    let (old, new) = (pairs(found), pairs(wanted))
    guard old["pouch-svg-eval"] != nil else { return "something else" }
    var parts: [String] = []
    func number(_ key: String, _ flag: String) {
      guard old[key] != new[key] else { return }
      parts.append("\(flag) was \(old[key] ?? "not known") and is now \(new[key] ?? "not known")")
    }
    if old["pouch-svg-eval"] != new["pouch-svg-eval"] { parts.append("the version of the format is another") }
    if old["prompts"] != new["prompts"] { parts.append("the prompts are others (--prompts, --limit)") }
    if old["model"] != new["model"] { parts.append("the model is another, or its file was changed") }
    number("mode", "--mode")
    number("limit", "--predict")
    number("samples", "--samples")
    number("temperature", "--temp")
    number("seed", "--seed")
    if old["template"] != new["template"] {
      parts.append(
        new["template"] == "true" ? "--raw was given and is not now" : "--raw was not given and is now")
    }
    return "those of another run: " + (parts.isEmpty ? "its settings differ" : parts.joined(separator: "; "))
  }

  private static func pairs(_ line: String) -> [String: String] {
    var result: [String: String] = [:]
    for part in line.split(separator: ";") {
      let words = part.split(separator: " ", maxSplits: 1)
      if words.count == 2 { result[String(words[0])] = String(words[1]) }
    }
    return result
  }
}
