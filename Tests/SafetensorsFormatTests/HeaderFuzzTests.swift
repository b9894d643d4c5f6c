import FileBytes
import SafetensorsFormat
import TensorTypes
import TestSupport
import Testing

@Suite struct HeaderFuzzTests {
  private static func seeds() throws -> [[UInt8]] {
    let tensors = (0..<5).map {
      SourceTensor(
        name: "layer.\($0).\"w\u{e9}\"", elementType: $0 % 2 == 0 ? .bf16 : .f32, shape: [2, $0, 3])
    }
    let json =
      #"{"__metadata__":{"a":"\u00e9\ud83d\ude00"},"x":{"dtype":"F4","extra":[{"y":[1.5e-3,null]}],"#
      + #""shape":[2,3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[],"data_offsets":[3,4]}}"#
    return [try SafetensorsWriter.header(tensors), SafetensorsBytes.file(json)]
  }

  /// No input crashes the reader; what it accepts covers the data exactly.
  @Test func survivesMutation() throws {
    let seeds = try Self.seeds()
    var mutator = HeaderMutator(seed: 99)
    var codes: [SafetensorsError.Code: Int] = [:]
    var accepted = 0
    for round in 0..<fuzzRounds(60_000) {
      let bytes = mutator.mutate(seeds[round % seeds.count])
      do {
        let header = try SafetensorsHeader(
          parsing: bytes, fileByteCount: round & 3 == 0 ? bytes.count : nil, file: "f")
        accepted += 1
        var end = 0
        for entry in header.entries {
          let bits = entry.tensor.shape.reduce(entry.tensor.elementType.bitCount, *)
          guard entry.begin == end, entry.byteCount * 8 == bits else {
            Issue.record("round \(round): \(entry) does not start at \(end)")
            return
          }
          end = entry.end
        }
        if header.dataByteCount != end || header.entries.count * 10 > bytes.count {
          Issue.record(
            "round \(round): \(header.entries.count) tensors, \(header.dataByteCount) bytes of data")
        }
      } catch {
        codes[error.code, default: 0] += 1
      }
    }
    #expect(accepted > 100)
    #expect(codes.count >= 12, "\(codes)")
  }

  /// The index reader is not crashed either.
  @Test func survivesMutatedIndexes() throws {
    let shards = (0..<3).map { shard in
      (
        name: "model-0000\(shard + 1)-of-00003.safetensors",
        tensors: (0..<4).map { SourceTensor(name: "t\(shard).\($0)", elementType: .u8, shape: [$0]) }
      )
    }
    let seed = SafetensorsWriter.index(shards)
    var mutator = HeaderMutator(seed: 5)
    var accepted = 0
    var codes: Set<SafetensorsError.Code> = []
    for _ in 0..<fuzzRounds(20_000) {
      do {
        let index = try SafetensorsIndex(parsing: mutator.mutate(seed), file: "i")
        accepted += 1
        if index.shardNames.contains(where: { $0.contains("/") || $0.contains("..") }) {
          Issue.record("accepted \(index.shardNames)")
        }
      } catch {
        codes.insert(error.code)
      }
    }
    #expect(accepted > 100)
    #expect(codes.isSuperset(of: [.malformedJSON, .badShardName, .duplicateKey, .badIndex]), "\(codes)")
  }
}
