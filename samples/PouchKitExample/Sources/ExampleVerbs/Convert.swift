public import PouchKit

/// Converts a checkpoint to a GGUF file.
public func convert(_ folder: String, to output: String) throws -> PlannedConversion {
  // snippet: convert
  let model = try Checkpoint(at: folder)
  let plan = try Conversion(of: model, recipe: .named("q4_k_m")).plan()
  try plan.write(to: output)
  // end
  return plan
}

/// Says what a conversion would make, and why.
public func describe(_ folder: String) throws -> [String] {
  var lines: [String] = []
  // snippet: plan
  let model = try Checkpoint(at: folder)
  let plan = try Conversion(of: model, mix: .q3_K_M).plan()
  lines.append("\(plan.fileByteCount) bytes, \(plan.bitsPerWeight) bits per weight")
  for tensor in plan.report.tensors {
    lines.append("\(tensor.name): \(tensor.type), \(tensor.bytes) bytes; \(tensor.reason)")
  }
  // end
  return lines
}

/// Converts until something says stop.
public func convert(
  _ plan: PlannedConversion, to output: String, _ isCancelled: @escaping @Sendable () -> Bool
) throws {
  // snippet: progress
  try plan.write(
    to: output, threads: 8,
    onProgress: { progress in
      print("\(progress.doneByteCount) of \(progress.totalByteCount) bytes")
    },
    isCancelled: isCancelled)
  // end
}
