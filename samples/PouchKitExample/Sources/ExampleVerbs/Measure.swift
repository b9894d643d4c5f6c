public import PouchKit

/// Measures how far a file is from the checkpoint that it was made of.
public func measure(_ path: String, from folder: String, windows: Int) throws -> DivergenceStatistics {
  // snippet: divergence
  let (model, base) = (try GGUFModel(at: path), try Checkpoint(at: folder))
  let divergence = try Divergence(of: model, from: base, on: .builtin(), windows: windows).run()
  print(divergence.meanDivergence.value, divergence.sameTop.value, Verdict(divergence).text)
  // end
  return divergence
}

/// Measures the perplexity of a model.
public func measure(_ path: String, windows: Int) throws -> PerplexityStatistics {
  // snippet: perplexity
  var measurement = Perplexity(of: try GGUFModel(at: path), on: try .builtin(), windows: windows)
  measurement.options.mode = .exact
  let perplexity = try measurement.run()
  print(perplexity.value, perplexity.estimate.interval95 ?? 0...0)
  // end
  return perplexity
}
