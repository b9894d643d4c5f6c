public import PouchKit

/// Says how large a model will be, and whether it fits a machine.
public func estimate(_ folder: String) throws -> [String] {
  var lines: [String] = []
  // snippet: estimate
  let model = try Checkpoint(at: folder)
  let machine = try Machine.preset("macbook-32")
  let report = try Estimation(of: model, mixes: [.q4_K_M, .q8_0], context: 4096, machine: machine).run()
  for output in report.outputs {
    lines.append("\(output.mix): a file of \(output.fileBytesRange.highest) bytes")
    for memory in output.memory { lines.append("  \(memory.engine.rawValue): \(memory.totalBytes) bytes") }
    for fit in output.fits { lines.append("  fits \(fit.machine.name): \(fit.fits)") }
  }
  // end
  return lines
}

/// Prices a model that is not at hand.
public func estimateByName() throws -> EstimateReport {
  // snippet: estimate-by-name
  let report = try Estimation(ofModelNamed: "qwen3.6-35b-a3b", context: 32_768).run()
  // end
  return report
}
