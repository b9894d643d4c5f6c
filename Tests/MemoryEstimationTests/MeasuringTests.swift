import CheckpointConversion
import FileBytes
import Foundation
import MemoryEstimation
import ModelEvaluation
import QuantRecipes
import ReferenceRuntime
import SafetensorsFormat
import TensorCompute
import TestSupport
import Testing
import ZstdStreams

/// Measuring runs are planned from headers, configurations and names as they are from opened models.
@Suite("What measuring takes") struct MeasuringTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// The same plans and the same work, whatever the memory.
  private func expectSame(_ opened: [LoadedModel], _ outlined: [LoadedModel]) throws {
    for (a, b) in zip(opened, outlined) {
      #expect(GroupWeights(a) == GroupWeights(b))
      for mode in ComputeMode.allCases {
        #expect(a.work(tokens: 512, logits: 100, mode: mode) == b.work(tokens: 512, logits: 100, mode: mode))
      }
      let collector = ImportanceCollector(expertCount: 8)
      #expect(collector.byteCount(for: a.store) == collector.byteCount(for: b.store))
    }
    func plan(_ models: [LoadedModel], _ request: MeasuringPlan.Request, _ allowed: Int?) throws
      -> MeasuringPlan
    {
      try MeasuringPlan(
        models, windowCount: 37, length: 64, options: EvaluationOptions(threads: 2, batchLength: 64),
        request: request,
        limits: MeasuringPlan.Limits(allowed: allowed, total: 1 << 40, held: 1_000_000))
    }
    for request in MeasuringPlan.Request.allCases {
      let whole = try plan(opened, request, nil)
      #expect(whole == (try plan(outlined, request, nil)))
      for allowed in [whole.leastByteCount, (whole.leastByteCount + whole.windowMemoryByteCount) / 2] {
        guard allowed >= whole.leastByteCount else { continue }
        let limited = try plan(opened, request, allowed)
        #expect(limited == (try plan(outlined, request, allowed)))
        #expect(limited.memoryByteCount <= allowed || request == .windows)
      }
    }
  }

  @Test("a checkpoint, its outputs and both in turn", arguments: RandomModel.families)
  func families(family: String) throws {
    let path = try RandomModel.write(RandomModel.config(family), in: folder, name: "Tiny")
    let source = try ModelSource(path)
    let outline = try source.outline()
    let opened = try LoadedModel.open(path: path, isLate: true)
    #expect(opened.architecture == outline.model.architecture)
    try expectSame([opened], [outline.model])
    for mix in [StockMix.q8_0, .q4_K_M] {
      let output = folder.path("\(mix.rawValue).gguf")
      var request = ConversionRequest(source: path, outputType: .mix(mix))
      request.outputPath = output
      _ = try ConversionPlanner.prepareCheckpoint(request).executor.run(ExecutionOptions(threadCount: 2))
      let priced = try source.price(EstimateRequest(mix: mix))
      let other = try outline.file(of: priced.tensors.map(\.info), source: mix.rawValue)
      let file = try LoadedModel.open(path: output)
      try expectSame([file], [other])
      try expectSame([opened, file], [outline.model, other])
      // The same from the header of the file.
      let header = try ModelSource(output).outline().model
      #expect(file.architecture == header.architecture)
      try expectSame([file], [header])
    }
  }

  @Test("fp8 with its copies, and compressed shards", arguments: [false, true])
  func stored(isCompressed: Bool) throws {
    let path = try RandomModel.write(RandomModel.config("qwen3_moe"), in: folder, name: "Plain")
    var stored = try StoredCheckpoint(folder: path)
    stored.storeAsFP8(blockRows: 64, blockColumns: 64)
    let target = try stored.write(in: folder, name: "fp8")
    if isCompressed {
      let shard = target + "/model.safetensors"
      try ZstdWriter.compressFile(shard, to: shard + ".zst")
      try FileManager.default.removeItem(atPath: shard)
    }
    let opened = try LoadedModel.open(path: target, isLate: true)
    let outline = try ModelSource(target).outline()
    try expectSame([opened], [outline.model])
    #expect((opened.inflation(groupCount: 2, givesWeightsBack: true) != nil) == isCompressed)
    // A conversion reads the bytes of the files, not those that the weights would have in 16 bits.
    let cost = try #require(
      try ModelSource(target).price(EstimateRequest(mix: .q8_0)).conversionCost(
        threadCount: 1, maxMemory: 512_000_000, calibration: nil))
    let files = try FileManager.default.contentsOfDirectory(atPath: target).filter {
      $0.contains(".safetensors") && !$0.hasSuffix(".json")
    }
    let bytes = try files.reduce(0) {
      $0 + (try FileManager.default.attributesOfItem(atPath: target + "/" + $1)[.size] as? Int ?? 0)
    }
    #expect(abs(cost.readBytes - bytes) < bytes / 20, "\(cost.readBytes) of \(bytes)")
  }

  @Test("the sample, with and without the tokenizer of another folder")
  func sample() throws {
    let opened = try LoadedModel.open(path: RandomModel.sample, isLate: true)
    try expectSame([opened], [try ModelSource(RandomModel.sample).outline().model])
    try expectSame(
      [opened], [try ModelSource(RandomModel.sample, tokenizerFolder: RandomModel.sample).outline().model])
  }

  @Test("configurations and names have the same plans as the checkpoint", arguments: RandomModel.families)
  func configurations(family: String) throws {
    let path = try RandomModel.write(RandomModel.config(family), in: folder, name: "Tiny")
    let opened = try LoadedModel.open(path: path, isLate: true)
    let outline = try ModelSource(path + "/config.json").outline()
    #expect(GroupWeights(opened) == GroupWeights(outline.model))
    #expect(
      opened.work(tokens: 10, logits: 10, mode: .fast)
        == outline.model.work(tokens: 10, logits: 10, mode: .fast))
  }

  private func report(_ source: String, _ change: (inout EstimateOptions, inout MeasuringOptions) -> Void)
    throws -> MeasuringReport
  {
    var options = EstimateOptions(source: source)
    var measuring = MeasuringOptions()
    options.conversionThreads = 4
    change(&options, &measuring)
    options.measuring = measuring
    return try #require(try EstimateReport(options).measuring)
  }

  @Test("the flagship on a laptop: read once for all windows, in a part of its memory")
  func flagship() throws {
    let report = try report("qwen3.6-35b-a3b") { options, measuring in
      measuring.limits = MeasuringPlan.Limits(available: 30 << 30, total: 32 << 30)
      measuring.diskBytesPerSecond = 3e9
      options.operationsPerSecond = 1e12
    }
    #expect(report.runs.map(\.kind) == [.perplexity, .divergence, .importance])
    for run in report.runs {
      #expect(run.cost.schedule == "layers" && run.cost.readTimes == 1 && run.fits)
      #expect(run.cost.windows == 585 && run.cost.groupSize == 585)
      let limit = try #require(run.cost.limitBytes)
      #expect(run.cost.memoryBytes <= limit && limit <= 32 << 30)
      #expect(run.cost.leastBytes < 8 << 30)
      #expect(run.cost.windowReadBytes == 585 * run.cost.weightBytes)
      let disk = try #require(run.diskSeconds)
      let arithmetic = try #require(run.arithmeticSeconds)
      #expect(disk == Double(run.cost.diskBytes) / 3e9 && arithmetic == 2 * run.work / 1e12)
      #expect(run.bound == (disk > arithmetic ? .disk : .arithmetic))
    }
    // 16-bit weights without embedding, vision and next-token block; 3 billion are active per token.
    let bytes = report.runs[0].cost.weightBytes
    #expect((67_000_000_000...70_000_000_000).contains(bytes), "\(bytes)")
    #expect(report.runs[1].cost.weightBytes > bytes + 18_000_000_000)
    let perToken = report.runs[0].work / Double(585 * 512)
    #expect((2.5e9...3.5e9).contains(perToken), "\(perToken)")
  }

  @Test("small machines read more often, and say what the least is")
  func smallMachines() throws {
    let roomy = try report("qwen3.6-35b-a3b") { _, measuring in measuring.windowCount = 4000 }
    let least = roomy.runs.map(\.cost.leastBytes)
    let tight = try report("qwen3.6-35b-a3b") { _, measuring in
      measuring.windowCount = 4000
      measuring.limits = MeasuringPlan.Limits(allowed: least.max(), total: 8 << 30)
    }
    for (run, least) in zip(tight.runs, least) {
      #expect(run.cost.leastBytes == least && run.cost.readTimes > 1)
      #expect(run.cost.readBytes == run.cost.weightBytes * run.cost.readTimes)
      #expect(run.cost.memoryBytes <= run.cost.limitBytes ?? 0)
    }
    for allowed in [0, 1_000_000_000, 1 << 50] {
      let error = #expect(throws: EvaluationError.self) {
        try report("qwen3.6-35b-a3b") { _, measuring in
          measuring.limits = MeasuringPlan.Limits(allowed: allowed, total: 8 << 30)
        }
      }
      #expect(error?.code == .memoryLimit && error?.fault.subject.settings == [.measuringMemory])
      #expect(
        error?.fault.expected.contains("at least \(least[0]) bytes") == true, "\(String(describing: error))")
    }
  }

  @Test("all built-in models can be priced")
  func names() throws {
    for name in BuiltInModels.names {
      // What Pouch's runtime does not run is refused, as it would be when opened.
      guard let outline = try? ModelSource(name).outline() else { continue }
      let weights = GroupWeights(outline.model).all
      #expect(weights.readByteCount > 0 && weights.memoryByteCount >= weights.readByteCount, "\(name)")
    }
    #expect(throws: Never.self) { try ModelSource("deepseek-v3").outline() }
  }

  @Test("configurations of fp8 models are read as 8-bit floats")
  func eightBitNames() throws {
    // 671 billion weights of DeepSeek-V3 without its next-token block, those of embedding and output matrix in two
    // bytes, and scales; MiniMax-M2 has 230 GB of files.
    for (name, size) in [("deepseek-v3", 673e9), ("minimax-m2", 230e9)] {
      let cost = try #require(
        try ModelSource(name).price(EstimateRequest(mix: .q4_K_M)).conversionCost(
          threadCount: 1, maxMemory: 512_000_000, calibration: nil))
      #expect(abs(Double(cost.readBytes) - size) < 0.01 * size, "\(name): \(cost.readBytes)")
    }
  }
}
