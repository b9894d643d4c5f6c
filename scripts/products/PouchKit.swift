import PouchKit

/// Converts by a recipe, with all that can be asked for.
func convert(_ folder: String, to output: String) throws -> [String] {
  var conversion = Conversion(of: try Checkpoint(at: folder), recipe: try .named("hybrid-q4_k_m-plus"))
  conversion.importanceMatrix = "imatrix.gguf"
  conversion.blindExperts = .layerMean
  conversion.shardByteCount = 1 << 30
  let plan = try conversion.plan()
  for rule in plan.report.rules { print(rule.rule, rule.tensors, rule.why ?? "") }
  for total in plan.report.byRole { print(total.name, total.bytes) }
  let summary = try plan.write(to: output, onProgress: { print($0.doneByteCount, $0.resumedByteCount) })
  for loss in summary.losses { print(loss.tensor, loss.experts) }
  return summary.paths
}

/// What a recipe says.
func explain(_ recipe: Recipe) -> [String] {
  print(recipe.name, recipe.description, recipe.defaultType.name, Recipe.allNames)
  return recipe.rules.map { "\($0.selection): \($0.type.name), \($0.why)" }
}

/// What fits a machine.
func estimate(_ mixes: [String]) throws -> [Bool] {
  var estimation = Estimation(
    ofModelNamed: "qwen3-30b-a3b", mixes: try mixes.map { try StockMix(name: $0) },
    machine: try .memory(32 << 30, reserve: nil))
  estimation.options.run.keyType = .q8_0
  estimation.options.engines = [.pouch]
  let report = try estimation.run()
  for output in report.outputs {
    print(output.parameters, output.activeParameters, output.speed?.decodeTokensPerSecond ?? 0)
    for part in output.memory.flatMap(\.parts) { print(part.kind.rawValue, part.bytes, part.formula) }
  }
  return report.outputs.flatMap(\.fits).map(\.fits)
}

/// Checks a file with all that can be asked for.
func validate(_ file: String) throws -> Int {
  var validation = Validation(of: try GGUFModel(at: file))
  validation.options.onProgress = { stage, done, total in print(stage.rawValue, done, total) }
  validation.options.manifestHashes = [.sha256]
  let report = try validation.run()
  print(report.mix?.recognised ?? "", report.provenance?.version ?? "", report.manifest?.matching ?? 0)
  return report.count(.error) + report.findings.count { $0.kind.rawValue.isEmpty }
}

/// Measures a text of one's own.
func measure(_ model: any ModelOnDisk, text: [UInt8]) throws -> Double {
  var divergence = Divergence(of: model, from: model, on: try EvaluationText(bytes: text), windows: 2)
  divergence.options.memoryLimit = 1 << 30
  let statistics = try divergence.run { done, soFar in soFar.windowCount == done }
  print(statistics.perplexity.value, statistics.sameTop.interval95 ?? 0...0, Verdict(statistics).kind)
  return statistics.meanDivergence.value
}

/// Says why something went wrong.
func reason(_ work: () throws -> Void) -> String? {
  do {
    try work()
    return nil
  } catch let error as ConversionError where error.code == .interrupted {
    return "cancelled"
  } catch let error as any FaultError {
    return error.faultClass == .rejected ? error.fault.remedy.description : error.description
  } catch {
    return "\(error)"
  }
}
