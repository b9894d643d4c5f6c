import FileBytes
import MemoryEstimation
import QuantRecipes
import TensorTypes
import TestSupport
import Testing

@Suite("What fits") struct FitTests {
  private func flagship(_ mix: StockMix = .q4_K_M) throws -> PricedModel {
    try ModelSource("qwen3.6-35b-a3b").price(EstimateRequest(mix: mix))
  }

  @Test("the flagship fits a Mac of 32 GB at 32,768 tokens, and the largest context is the largest")
  func mac32() throws {
    let machine = try Machine.preset("macbook-32")
    #expect(machine.availableBytes == (32 << 30) / 3 * 2)
    let model = try flagship()
    for engine in RunOptions.Engine.allCases {
      let fit = try model.fit(machine, engine: engine, RunOptions(contextLength: 32_768))
      #expect(fit.fits && !fit.isLimitedByModel)
      let largest = try #require(fit.largestContext)
      #expect(largest >= 32_768 && largest % 256 == 0)
      let at = try model.memory(of: engine, RunOptions(contextLength: largest)).totalBytes
      let beyond = try model.memory(of: engine, RunOptions(contextLength: largest + 256)).totalBytes
      #expect(at <= machine.availableBytes && beyond > machine.availableBytes)
    }
    let large = try flagship(.q8_0).fit(machine, engine: .llamaCpp, RunOptions(contextLength: 32_768))
    #expect(!large.fits && large.largestContext == nil && large.marginBytes < 0)
  }

  @Test("the model's own context is the limit where memory is not")
  func limitedByModel() throws {
    let fit = try flagship().fit(
      try Machine.preset("macbook-128"), engine: .llamaCpp, RunOptions(contextLength: 1024))
    #expect(fit.largestContext == 262_144 && fit.isLimitedByModel)
  }

  @Test("reserves")
  func reserves() throws {
    #expect(try Machine.preset("MAC-64").availableBytes == 48 << 30)
    #expect(try Machine.preset("linux-32").availableBytes == 30 << 30)
    #expect(try Machine.memory(10_000_000_000, reserve: 4_000_000_000).availableBytes == 6_000_000_000)
    for bad in ["macbook-33", "macbook", "", "linux-"] {
      let error = #expect(throws: EstimationError.self) { try Machine.preset(bad) }
      #expect(error?.code == .badOption)
    }
    #expect(throws: EstimationError.self) { try Machine.memory(1 << 30, reserve: nil) }
  }

  @Test("a report names the best mix, and its table agrees with its parts")
  func report() throws {
    var options = EstimateOptions(source: "qwen3-30b-a3b")
    options.machine = try .preset("macbook-32")
    options.wantsTable = true
    options.contextLength = 4096
    let report = try EstimateReport(options)
    #expect(report.bestMixes.map(\.engine) == [.llamaCpp, .pouch])
    for best in report.bestMixes {
      let mix = try StockMix(name: try #require(best.mix))
      let index = try #require(ModelSource.commonMixes.firstIndex(of: mix))
      let larger = try ModelSource("qwen3-30b-a3b").price(
        EstimateRequest(mix: ModelSource.commonMixes[index - 1]))
      let needed = try larger.memory(of: best.engine, RunOptions(contextLength: 4096)).totalBytes
      #expect(needed > (32 << 30) / 3 * 2)
    }
    let cell = try #require(report.table.first { $0.mix == "Q4_K_M" && $0.context == 4096 })
    #expect(
      cell.bytes == report.outputs[0].memory[0].totalBytes && cell.fits == report.outputs[0].fits[0].fits)
    #expect(report.table.allSatisfy { ($0.bytes <= (32 << 30) / 3 * 2) == $0.fits })
  }

  @Test("bounds of speed follow from active bytes")
  func bounds() throws {
    let model = try flagship()
    let memory = try model.memory(of: .llamaCpp, RunOptions(contextLength: 4096))
    let bound = model.speedBound(
      memory, batch: 512, bandwidth: 400e9, isMeasured: false, operationsPerSecond: 1e13)
    #expect(bound.decodeTokensPerSecond == 400e9 / Double(bound.activeWeightBytes + bound.cacheBytes))
    // 3.45 billion active weights less the embedding's table, at some five bits.
    #expect((1_600_000_000...2_300_000_000).contains(bound.activeWeightBytes))
    #expect(bound.prefillTokensPerSecond > bound.decodeTokensPerSecond)
    #expect(bound.prefillComputeTokensPerSecond == 1e13 / (2 * Double(model.activeParameterCount)))
  }

  @Test("conversion: buffers of the plan, disk for the output")
  func conversion() throws {
    let cost = try #require(
      try flagship().conversionCost(threadCount: 2, maxMemory: 512_000_000, calibration: nil))
    #expect(cost.bufferBytes < 20_000_000 && cost.peakBytes < 200_000_000 && cost.seconds == nil)
    #expect(cost.diskBytes > 21_700_000_000 && cost.diskBytes < 21_800_000_000)
    let measured = Calibration.measure(types: [.q4_K, .q6_K, .f32], threads: 1, seconds: 0.05)
    let timed = try flagship().conversionCost(threadCount: 2, maxMemory: 512_000_000, calibration: measured)
    #expect((timed?.seconds ?? 0) > 0)
  }
}
