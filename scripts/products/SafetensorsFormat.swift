import SafetensorsFormat

/// Reads a tensor of a checkpoint.
func read(_ folder: String, tensor name: String) throws -> [UInt8] {
  let checkpoint = try SafetensorsCheckpoint(folder: folder)
  for warning in checkpoint.warnings { print(warning.description) }
  guard let found = checkpoint.tensor(name) else { return [] }
  print(found.tensor.elementType.bitCount, found.tensor.shape, found.tensor.rowLength)
  let shard = try ReadableFile(path: checkpoint.shards[found.shard].path)
  return try shard.bytes(at: found.byteOffset, count: found.byteCount)
}

/// Reads a small tensor as numbers.
func values(_ folder: String, tensor name: String) throws -> [Float]? {
  try SafetensorsCheckpoint(folder: folder).values(of: name)
}

/// Writes a checkpoint.
func write(_ values: [Float], to folder: String) throws {
  let tensor = SourceTensor(name: "weight", elementType: .f32, shape: [values.count])
  try SafetensorsWriter.writeCheckpoint(
    [[(tensor: tensor, bytes: values.withUnsafeBytes { Array($0) })]], to: folder)
}

/// A shard that somebody else's decompressor reads.
final class Shard: ByteStream {
  let path: String
  var declaredByteCount: Int? { nil }
  init(_ path: String) { self.path = path }
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int { 0 }
}

/// Opens a checkpoint with compressed shards.
func open(_ folder: String) throws -> Set<String> {
  do {
    return try SafetensorsCheckpoint(folder: folder, decompressor: { Shard($0) }).formats
  } catch let error as SafetensorsError {
    print(error.code, error.fault.lines)
    return []
  }
}
