import ArgumentParser
import CommandSupport
import Foundation
import MemoryEstimation
import QuantRecipes
import TensorTypes

/// How the model is run; llama.cpp's names.
struct RunFlags: ParsableArguments {
  @Option(
    name: [.customShort("c"), .customLong("ctx-size")], parsing: .unconditional,
    help:
      "Context in tokens, 32k being 32768; 0 for the model's own. Default: the model's own, 32768 at most.")
  var contextLength: TokenCount?

  var context: Int? { contextLength?.count }

  @Flag(name: .customLong("in-max-ctx-size"), help: "Use the model's own context, like -c 0.")
  var inMaxContext = false

  @Option(
    name: [.customLong("ctk", withSingleDash: true), .customLong("cache-type-k")],
    help: "Type of cached keys: f32, f16, bf16, q8_0, q4_0, q4_1, iq4_nl, q5_0, q5_1.")
  var keyType = "f16"

  @Option(
    name: [.customLong("ctv", withSingleDash: true), .customLong("cache-type-v")],
    help: "Type of cached values.")
  var valueType = "f16"

  @Option(
    name: [.customShort("b"), .customLong("batch-size")], parsing: .unconditional,
    help: "Tokens handed over at once.")
  var batch = 2048

  @Option(
    name: [.customLong("ub", withSingleDash: true), .customLong("ubatch-size")], parsing: .unconditional,
    help: "Tokens computed at once.")
  var microBatch = 512

  @Option(
    name: [.customLong("np", withSingleDash: true), .customLong("parallel")], parsing: .unconditional,
    help: "Sequences.")
  var parallel = 1

  @Flag(
    name: [.customLong("kvu", withSingleDash: true), .customLong("kv-unified")],
    help: "One cache for all sequences.")
  var unified = false

  @Flag(
    name: .customLong("swa-full"),
    help:
      "Keep every position in caches of layers with a window, as programs on llama.cpp's C API do by default."
  )
  var fullWindows = false

  @Option(
    name: [.customLong("fa", withSingleDash: true), .customLong("flash-attn")],
    help: "Flash attention: on, off or auto (on).")
  var flashAttention = "auto"

  @Option(
    name: [.customLong("ngl", withSingleDash: true), .customLong("n-gpu-layers")], parsing: .unconditional,
    help: "Accepted and ignored: all memory is counted as one.")
  var gpuLayers: String?

  @Flag(
    name: .customLong("all-logits"),
    help: "Keep logits of whole batches, as llama-perplexity and llama-bench do.")
  var allLogits = false

  @Flag(
    name: .customLong("repack"),
    help: "Count the copies of weights that llama.cpp's x86 backend makes (as the linux presets do).")
  var repack = false

  @Flag(name: .customLong("load-mtp"), help: "Count the next-token-prediction block as loaded.")
  var loadsNextToken = false

  @Flag(name: .customLong("skip-tokenizer"), help: "Leave the tokenizer's tables out.")
  var skipTokenizer = false

  /// Puts the flags together.
  func options(threads: Int) throws -> RunOptions {
    var run = RunOptions(contextLength: context ?? 1)
    run.keyType = try CacheArguments.type(keyType, flag: "--cache-type-k")
    run.valueType = try CacheArguments.type(valueType, flag: "--cache-type-v")
    switch flashAttention.lowercased() {
    case "on", "auto", "1", "true": run.flashAttention = true
    case "off", "0", "false": run.flashAttention = false
    default: throw UsageError("--flash-attn", expected: "on, off or auto", found: flashAttention)
    }
    run.batchLength = batch
    run.microBatchLength = microBatch
    run.sequenceCount = parallel
    run.isUnified = unified
    run.keepsFullWindows = fullWindows
    run.keepsAllLogits = allLogits
    run.repacks = repack
    run.loadsNextToken = loadsNextToken
    run.skipsTokenizer = skipTokenizer
    run.threadCount = threads
    return run
  }
}

/// What it must fit into.
struct FitFlags: ParsableArguments {
  @Option(help: ArgumentHelp("Memory of the machine, such as 32GB or 24GiB.", valueName: "size"))
  var memory: ByteSize?

  @Option(help: ArgumentHelp("A preset: macbook-8 to macbook-512, linux-8 to linux-512.", valueName: "name"))
  var machine: String?

  @Option(
    help: ArgumentHelp(
      "What the system keeps of --memory. Default: 1/16, at least 1 GiB.", valueName: "size"))
  var reserve: ByteSize?

  @Option(
    name: [.customLong("fitt", withSingleDash: true), .customLong("fit-target")], parsing: .unconditional,
    help: ArgumentHelp("MiB that stay free besides.", valueName: "MiB"))
  var fitTarget = 0

  @Option(
    name: [.customLong("fitc", withSingleDash: true), .customLong("fit-ctx")], parsing: .unconditional,
    help: ArgumentHelp("Shorter contexts do not count as fitting.", valueName: "n"))
  var fitContext = 1

  @Flag(help: "A table of mixes and contexts.")
  var table = false

  /// The machine, if one was named.
  func chosen() throws -> Machine? {
    guard fitTarget >= 0, fitTarget < 1 << 40 else {
      throw UsageError("--fit-target", expected: "0 or more MiB", found: "\(fitTarget)")
    }
    guard fitContext >= 0 else {
      throw UsageError("--fit-ctx", expected: "0 or more", found: "\(fitContext)")
    }
    switch (memory, machine) {
    case (_?, _?): throw UsageError("--memory", expected: "no --machine beside it", found: "both")
    case (let memory?, nil): return try .memory(memory.byteCount, reserve: reserve?.byteCount)
    case (nil, let name?):
      guard reserve == nil else {
        throw UsageError("--reserve", expected: "--memory beside it", found: "--machine, which has its own")
      }
      return try .preset(name)
    case (nil, nil):
      guard reserve == nil else {
        throw UsageError("--reserve", expected: "--memory beside it", found: "none")
      }
      return nil
    }
  }
}

/// A number of tokens such as `4096` or `32k`, k being 1024.
struct TokenCount: ExpressibleByArgument {
  var count: Int

  init?(argument: String) {
    let isKilo = argument.last.map { "kK".contains($0) } ?? false
    guard let number = Int(isKilo ? String(argument.dropLast()) : argument), number.magnitude < 1 << 40 else {
      return nil
    }
    count = isKilo ? number * 1024 : number
  }
}

/// A rate such as `400GB/s` or `10T`.
struct Rate: ExpressibleByArgument {
  var perSecond: Double

  init?(argument: String) {
    var text = argument
    if text.hasSuffix("/s") { text.removeLast(2) }
    for ending in ["FLOPS", "OPS"] where text.uppercased().hasSuffix(ending) { text.removeLast(ending.count) }
    guard let size = ByteSize(argument: text), size.byteCount > 0 else { return nil }
    perSecond = Double(size.byteCount)
  }
}
