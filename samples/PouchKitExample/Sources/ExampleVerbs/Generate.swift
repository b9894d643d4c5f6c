public import PouchKit

/// Answers a prompt.
public func generate(_ path: String, _ prompt: String) throws -> Generation.Text {
  // snippet: generate
  var generation = try Generation(with: GGUFModel(at: path))
  generation.tokenLimit = 24
  generation.sampling.temperature = 0
  let answer = try generation.answer(to: prompt)
  print(answer.text, answer.report.decodeTokensPerSecond)
  // end
  return answer
}

/// Goes on with a text, piece by piece.
public func stream(_ path: String, _ beginning: String) throws -> Generation.Text {
  // snippet: stream
  let generation = try Generation(with: GGUFModel(at: path))
  let text = try generation.continuation(of: beginning) { piece in
    print(piece, terminator: "")
    return true
  }
  // end
  return text
}
