import ReferenceRuntime

/// The likeliest token after others.
func next(_ path: String, after tokens: [Int32]) throws -> Int32 {
  let model = try LoadedModel.open(path: path)
  print(
    model.architectureName, model.vocabularySize, model.contextLength ?? 0, model.expertCount ?? 0,
    model.warnings)
  let session = try Session(model: model, contextLength: 512, mode: .exact, cacheType: .f16)
  let logits = try session.evaluate(tokens: tokens, logits: .last)
  print(logits.rowCount, session.position, session.memoryReport.stateByteCount)
  session.reset()
  return Sampler.greedy(logits.row(0))
}

/// Goes on with tokens.
func generate(_ path: String, after tokens: [Int32]) throws -> [Int32] {
  let model = try LoadedModel.open(path: path)
  var sampling = SamplingOptions(metadata: try model.metadata())
  sampling.temperature = 0
  let session = try Session(model: model, contextLength: 512)
  let report = try TextGeneration(sampling: sampling, tokenLimit: 24, stopTokens: []).run(
    prompt: tokens, session: session, receive: { print($0) == () })
  precondition(report.stopReason != .interrupted)
  return report.tokens
}

/// Draws tokens by hand.
func draw(_ rows: LogitsBuffer) -> [Int32] {
  var sampler = Sampler(options: SamplingOptions())
  return (0..<rows.rowCount).map {
    let token = sampler.sample(rows.row($0))
    sampler.accept(token)
    return token
  }
}

/// Says what is wrong with a model.
func reason(_ path: String) throws -> String? {
  do {
    _ = try LoadedModel.open(path: path)
    return nil
  } catch let error as RuntimeError where error.code == .unsupportedArchitecture {
    return error.fault.found.description
  } catch let error as any FaultError {
    return error.description
  }
}
