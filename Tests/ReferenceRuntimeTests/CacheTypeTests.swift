import FileBytes
import ReferenceRuntime
import TensorTypes
import TestSupport
import Testing

@Suite("Types of caches")
struct CacheTypeTests {
  private func logits(
    _ model: LoadedModel, _ tokens: [Int32], _ cache: CacheType, pieces: [Int], threads: Int = 1
  ) throws -> [Float] {
    let session = try Session(
      model: model, contextLength: tokens.count, threads: threads, cacheType: cache)
    var values: [Float] = []
    var start = 0
    for count in pieces {
      values += try session.evaluate(tokens: Array(tokens[start..<(start + count)]), logits: .all).values
      start += count
    }
    return values
  }

  @Test("Results are the same for any number of threads and any batches", arguments: TensorType.cacheTypes)
  func bits(_ type: TensorType) throws {
    let golden = try GoldenModel("pelican")
    let model = try LoadedModel.open(path: GoldenModel.sampleFolder)
    let tokens = Array(golden.tokens.prefix(40))
    let cache = CacheType(key: type, value: type)
    let whole = try logits(model, tokens, cache, pieces: [40])
    for threads in [1, 2, 3] {
      let parts = try logits(model, tokens, cache, pieces: [1, 16, 2, 21], threads: threads)
      #expect(firstDifference(parts, whole) == nil)
    }
  }

  @Test("Fewer bits lose more, for keys and for values")
  func order() throws {
    // Without experts, whose choice changes at once.
    let golden = try GoldenModel("qwen3")
    let model = try LoadedModel.open(path: golden.folder)
    let tokens = golden.tokens
    let exact = try logits(model, tokens, .f32, pieces: [tokens.count])
    func error(_ key: TensorType, _ value: TensorType) throws -> Double {
      let found = try logits(model, tokens, CacheType(key: key, value: value), pieces: [tokens.count])
      return relativeError(found, exact)
    }
    for pair in [{ ($0, TensorType.f32) }, { (TensorType.f32, $0) }, { ($0, $0) }]
      as [(TensorType) -> (TensorType, TensorType)]
    {
      let errors = try [TensorType.f16, .q8_0, .q5_1, .q4_0].map { type in
        let (key, value) = pair(type)
        return try error(key, value)
      }
      #expect(errors.allSatisfy { $0 > 0 } && errors == errors.sorted(), "\(errors)")
      #expect(errors[3] < 0.2, "\(errors)")
    }
    #expect(try error(.bf16, .bf16) > error(.f16, .f16))
    #expect(try error(.iq4_nl, .iq4_nl) < 0.2)
  }

  @Test("Half precision rounded and half precision stored are the same")
  func half() throws {
    let golden = try GoldenModel("pelican")
    let model = try LoadedModel.open(path: GoldenModel.sampleFolder)
    let tokens = Array(golden.tokens.prefix(24))
    let stored = try logits(model, tokens, .f16, pieces: [24])
    // Mixed pairs are kept as f32.
    let keys = try logits(model, tokens, CacheType(key: .f16, value: .f32), pieces: [24])
    let values = try logits(model, tokens, CacheType(key: .f32, value: .f16), pieces: [24])
    #expect(firstDifference(keys, stored) != nil && firstDifference(values, stored) != nil)
    #expect(relativeError(keys, stored) < 1e-3 && relativeError(values, stored) < 1e-3)
  }

  @Test("Heads that do not hold whole blocks are refused, latent vectors that do are taken")
  func blocks() throws {
    let narrow = try GoldenModel("minimax_m2")
    let model = try LoadedModel.open(path: narrow.folder)
    let error = #expect(throws: RuntimeError.self) {
      _ = try Session(model: model, contextLength: 8, cacheType: CacheType(key: .q8_0, value: .f32))
    }
    #expect(error?.code == .unsupportedType)
    #expect(error?.fault.expected.contains("32") == true)
    _ = try Session(model: model, contextLength: 8, cacheType: CacheType(key: .bf16, value: .f16))
  }
}
