import FileBytes
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

@Suite struct HeaderFuzzTests {
  /// Files to damage: many values, many tensors, a vocabulary.
  private static func seeds() throws -> [[UInt8]] {
    let tensors = (0..<6).map {
      GGUFTensorDescription(name: "blk.\($0)", type: .q8_0, ggmlShape: [32, $0, 2])
    }
    let vocabulary = MetadataEntry("tokens", .array(.string((0..<20).map { "t\($0)" })))
    let scores = MetadataEntry("scores", .array(.float32([1, 2, 3])))
    return [
      try GGUFHeaderEncoder(metadata: everyValue, tensors: Array(tensors.prefix(1))).bytes,
      try GGUFHeaderEncoder(metadata: [scores], tensors: tensors).bytes,
      try GGUFHeaderEncoder(metadata: [vocabulary, scores], tensors: Array(tensors.prefix(2))).bytes,
    ]
  }

  /// No input crashes the reader; what it accepts is consistent and no larger than the input allows.
  @Test func survivesMutation() throws {
    let seeds = try Self.seeds()
    var mutator = HeaderMutator(seed: 2024)
    var codes: [GGUFError.Code: Int] = [:]
    var accepted = 0
    for round in 0..<fuzzRounds(60_000) {
      let bytes = mutator.mutate(seeds[round % seeds.count])
      do {
        let header = try GGUFHeader(parsing: bytes, file: "f", requireData: round & 1 == 0)
        accepted += 1
        var end = 0
        for tensor in header.tensors {
          guard tensor.offset == end, tensor.byteCount >= 0 else {
            Issue.record("round \(round): \(tensor) does not start at \(end)")
            return
          }
          end = tensor.offset + (tensor.byteCount + header.alignment - 1) & ~(header.alignment - 1)
        }
        let elements = header.metadata.reduce(0) { total, entry in
          if case .array(let array) = entry.value { total + array.count } else { total }
        }
        if elements + header.tensors.count > bytes.count {
          Issue.record("round \(round): more values than bytes")
        }
      } catch {
        codes[error.code, default: 0] += 1
      }
    }
    // The mutator reaches far into the format, or this test proves nothing.
    #expect(accepted > 100)
    #expect(codes.count >= 16, "\(codes)")
  }

  /// What is accepted is written back to the same meaning.
  @Test func encodesWhatItAccepts() throws {
    let seeds = try Self.seeds()
    var mutator = HeaderMutator(seed: 7)
    var compared = 0
    for round in 0..<fuzzRounds(6000) {
      let bytes = mutator.mutate(seeds[round % seeds.count])
      guard let header = try? GGUFHeader(parsing: bytes, file: "f", requireData: false),
        header.alignment == 32,
        header.version == 3, !header.tensors.contains(where: { $0.ggmlShape.isEmpty })
      else { continue }
      let tensors = header.tensors.map {
        GGUFTensorDescription(name: $0.name, type: $0.type, ggmlShape: $0.ggmlShape)
      }
      let again = try GGUFHeaderEncoder(metadata: header.metadata, tensors: tensors, dimensions: .asGiven)
      let reread = try GGUFHeader(parsing: again.bytes, fileByteCount: again.fileByteCount, file: "f")
      #expect(reread.tensors == header.tensors)
      // Encoded once more instead of compared: NaN is not equal to itself.
      let third = try GGUFHeaderEncoder(metadata: reread.metadata, tensors: tensors, dimensions: .asGiven)
      #expect(third.bytes == again.bytes)
      compared += 1
    }
    #expect(compared > 40)
  }
}
