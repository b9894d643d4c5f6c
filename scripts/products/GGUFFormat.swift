import GGUFFormat

/// Reads a tensor of a file that may be split.
func read(_ path: String, tensor name: String) throws -> [UInt8] {
  let set = try GGUFSplitSet(path: path)
  guard let tensor = set.tensor(name) else { return [] }
  print(set.value("general.architecture")?.text ?? "", tensor.info.type.name, tensor.info.ggmlShape)
  return try set.files[tensor.shard].file.bytes(at: tensor.position, count: tensor.info.byteCount)
}

/// Says what a header holds.
func describe(_ path: String) throws -> [String] {
  let file = try GGUFFile(path: path)
  print(file.version, file.alignment, file.dataStart, file.file.byteCount)
  for entry in file.metadata {
    switch entry.value {
    case .string(let text): print(entry.key, text)
    case .array(let array): print(entry.key, array.count)
    case let value: print(entry.key, value.integer ?? 0)
    }
  }
  return file.tensors.map { "\($0.name): \($0.type.bitsPerWeight) bits, at \(file.position(of: $0))" }
}

/// Makes a file with one tensor.
func file(_ values: [Float], shape: [Int]) throws -> [UInt8] {
  var metadata = [MetadataEntry("general.architecture", .string("llama"))]
  metadata.set("general.name", .string("one tensor"))
  let tensor = GGUFTensorDescription(name: "output.weight", type: .f32, ggmlShape: shape)
  let encoder = try GGUFHeaderEncoder(metadata: metadata, tensors: [tensor])
  var bytes = encoder.bytes + values.withUnsafeBytes { Array($0) }
  bytes += Array(repeating: 0, count: encoder.fileByteCount - bytes.count)
  let header = try GGUFHeader(parsing: bytes, file: "")
  precondition(header.dataStart == encoder.dataStart && header.tensors == encoder.tensors)
  return bytes
}

/// Names the files of a set.
func names(_ byteCounts: [Int]) throws -> [String] {
  try GGUFSplitPlan(tensorByteCounts: byteCounts, style: .converter, limits: .init(tensorCount: 10))
    .fileNames(prefix: "model")
}

/// Says what is wrong with a file.
func reason(_ path: String) -> String? {
  do throws(GGUFError) {
    _ = try GGUFHeader(parsing: [], file: path)
    return nil
  } catch {
    return error.code == .headerTruncated ? error.fault.expected.description : error.description
  }
}
