import FileBytes
import Foundation
import GGUFFormat
import TensorTypes
import TestSupport
import Testing

/// What is given as a model and is none, or is one under an unusual name or with something odd in it.
@Suite("Sources of all kinds")
struct SourceKindTests {
  private let folder: TemporaryFolder
  private let outputs: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    outputs = try TemporaryFolder()
  }

  private var out: String { outputs.path("out.gguf") }

  /// A run of each command that reads models, with `source` as the model.
  private func runs(_ source: String) throws -> [(name: String, run: CommandRun)] {
    try [
      ("pouch-convert", [source, "--outfile", out]), ("pouch-quantize", [source, out, "Q8_0"]),
      ("pouch-inspect", [source]), ("pouch-estimate", [source]), ("pouch-validate", [source]),
      ("pouch-generate", ["-m", source, "-p", "a", "-n", "1"]),
      ("pouch-perplexity", ["-m", source, "--corpus", "builtin"]),
    ].map { ($0.0, try CommandRun($0.0, $0.1, environment: ["HF_HOME": folder.path("no-cache")])) }
  }

  /// Expects that every command refuses `source` and says all of `parts`.
  private func expectRefusals(_ source: String, _ parts: String..., except: Set<String> = []) throws {
    for (name, run) in try runs(source) where !except.contains(name) {
      #expect(run.status == 3 && !run.wasKilled, "\(name) \(source): \(run.status) \(run.errors)")
      let said = run.errors + run.output
      for part in parts { #expect(said.contains(part), "\(name): no “\(part)” in \(said)") }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: outputs.url.path).isEmpty)
  }

  private func make(_ name: String, _ files: [String: String]) throws -> String {
    let path = folder.path(name)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for (file, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: path + "/" + file)) }
    return path
  }

  private static let pointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4665465465465465\nsize 12345678\n"

  @Test("all commands call a folder or a name what it is")
  func folders() throws {
    try expectRefusals(
      try make(
        "adapter", ["adapter_config.json": #"{"peft_type": "LORA", "base_model_name_or_path": "a/b"}"#]),
      "LoRA adapter for a/b", "merge it into its base model")
    try expectRefusals(try make("pipe", ["model_index.json": "{}"]), "diffusers pipeline")
    try expectRefusals(try make("empty", [:]), "an empty folder")
    try expectRefusals(try make("pickled", ["pytorch_model.bin": "x"]), "PyTorch weights alone")
    try expectRefusals("no-such-org/Some-Model-7B", "hf download no-such-org/Some-Model-7B")
  }

  @Test("Git LFS pointers are recognised in every file of a checkpoint, and as a GGUF")
  func pointers() throws {
    let gguf = try folder.write("x.gguf", Array(Self.pointer.utf8))
    try expectRefusals(gguf, "Git LFS pointer to 12345678 bytes")
    for file in ["config.json", "tokenizer.json", "model-00002-of-00002.safetensors"] {
      let model = try TinyCheckpoint().write(in: folder, name: "lfs-" + file)
      try Data(Self.pointer.utf8).write(to: URL(fileURLWithPath: model + "/" + file))
      let run = try CommandRun.convert(model, "--outfile", out)
      #expect(run.status == 3 && run.errors.contains(file) && run.errors.contains("Git LFS"), "\(run.errors)")
    }
    // Sizes follow from the small files, which is said.
    let model = folder.path("lfs-model-00002-of-00002.safetensors")
    let estimate = try CommandRun("pouch-estimate", [model])
    #expect(estimate.status == 0 && estimate.errors.contains("Git LFS"), "\(estimate.errors)")
  }

  @Test("weights beside other weights: every command says which it reads")
  func choices() throws {
    var tiny = TinyCheckpoint()
    let model = try tiny.write(in: folder)
    tiny.shards = [tiny.shards[0].merging(tiny.shards[1]) { $1 }]
    tiny.set("model.norm.weight", at: 0, bits: 0x4000)
    _ = try tiny.write(in: folder)
    let said = "model.safetensors is read, as transformers does; not read: model.safetensors.index.json"
    let converted = try CommandRun.convert(model, "--outtype", "f32", "--outfile", folder.path("f32.gguf"))
    #expect(converted.status == 0 && converted.errors.contains(said), "\(converted.errors)")
    let file = try GGUFFile(path: folder.path("f32.gguf"))
    let norm = try #require(file.tensors.first { $0.name == "output_norm.weight" })
    #expect(try file.file.bytes(at: file.position(of: norm), count: 4) == [0, 0, 0, 0x40])
    let others = [
      ("pouch-estimate", [model]), ("pouch-inspect", [model]),
      ("pouch-generate", ["-m", model, "--tokens", "1,2", "-n", "1"]),
      ("pouch-validate", [folder.path("f32.gguf"), "--against", model]),
    ]
    for (name, arguments) in others {
      let run = try CommandRun(name, arguments)
      let words = (run.errors + run.output).split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(run.status == 0 && words.contains(said), "\(name): \(words)")
    }
    let strict = try CommandRun.convert(model, "--outfile", out, "--strict")
    #expect(
      strict.status == 4 && strict.errors.components(separatedBy: "Error: ").last?.contains(said) == true)
  }

  @Test("a leftover quantization entry is ignored by converter and runtime, and said")
  func leftover() throws {
    var tiny = TinyCheckpoint()
    let plain = try tiny.write(in: folder, name: "tiny-model")
    #expect(try CommandRun.convert(plain, "--outfile", folder.path("plain.gguf")).status == 0)
    tiny.config["quantization_config"] = ["quant_method": "bitsandbytes", "load_in_4bit": true]
    _ = try tiny.write(in: folder, name: "tiny-model")
    let run = try CommandRun.convert(plain, "--outfile", folder.path("left.gguf"))
    #expect(run.status == 0 && run.errors.contains("left over"), "\(run.errors)")
    let files = try ["plain.gguf", "left.gguf"].map { try GGUFFile(path: folder.path($0)) }
    for (first, second) in zip(files[0].tensors, files[1].tensors) {
      #expect(
        try first == second
          && files[0].file.bytes(at: files[0].position(of: first), count: first.byteCount)
            == files[1].file.bytes(at: files[1].position(of: second), count: second.byteCount)
      )
    }
    let ran = try CommandRun("pouch-generate", ["-m", plain, "--tokens", "1,2", "-n", "1"])
    #expect(ran.status == 0 && ran.errors.contains("left over"), "\(ran.errors)")
  }

  @Test("config.json as Python writes it")
  func pythonJSON() throws {
    let model = try TinyCheckpoint().write(in: folder)
    let path = URL(fileURLWithPath: model + "/config.json")
    let good = String(decoding: try Data(contentsOf: path), as: UTF8.self)
    func convert(_ old: String, _ new: String) throws -> CommandRun {
      try Data(good.replacing(old, with: new).utf8).write(to: path)
      return try CommandRun.convert(model, "--outfile", out, "--force")
    }
    let brace = "\"hidden_act\""
    for extra in ["\"x\": NaN, ", "\"x\": [1, -Infinity], ", "\"hidden_size\": 1, ", "\"x\": 1e999, "] {
      let run = try convert(brace, extra + brace)
      #expect(run.status == 0, "\(extra): \(run.errors)")
    }
    try FileManager.default.removeItem(atPath: out)
    let last = try #require(good.lastIndex(of: "}"))
    try Data((good[..<last] + ", \"rms_norm_eps\": NaN}").utf8).write(to: path)
    let needed = try CommandRun.convert(model, "--outfile", out)
    #expect(needed.status == 3, "\(needed.errors)")
    for part in ["config.json", "rms_norm_eps", "found NaN"] { #expect(needed.errors.contains(part)) }
  }

  @Test("a model in the current folder has the name of the folder")
  func currentFolder() throws {
    let model = try TinyCheckpoint().write(in: folder, name: "My-Model-7B")
    for path in [".", "./", "../My-Model-7B", model, model + "/"] {
      let run = try CommandRun("pouch-convert", [path, "--outtype", "q8_0", "--force"], directory: model)
      #expect(run.status == 0, "\(run.errors)")
      let file = model + "/My-Model-7B-Q8_0.gguf"
      #expect(try GGUFFile(path: file).value("general.name")?.text == "My Model 7B", "\(path)")
      try FileManager.default.removeItem(atPath: file)
    }
  }

  @Test("a snapshot in a cache has the name of its repository, and nothing is written into the cache")
  func snapshot() throws {
    let cache = try TemporaryFolder()
    let snapshots = cache.path("models--Some-Org--My-Model-7B/snapshots")
    try FileManager.default.createDirectory(atPath: snapshots, withIntermediateDirectories: true)
    let model = try TinyCheckpoint().write(in: folder, name: "made")
    let snapshot = snapshots + "/0123456789abcdef"
    try FileManager.default.moveItem(atPath: model, toPath: snapshot)
    let before = try FileManager.default.contentsOfDirectory(atPath: snapshot).sorted()
    let run = try CommandRun(
      "pouch-convert", [snapshot, "--outtype", "q8_0", "--strict"], directory: outputs.url.path)
    #expect(run.status == 0 && run.errors.contains("the output goes to the current folder"), "\(run.errors)")
    let file = try GGUFFile(path: outputs.path("My-Model-7B-Q8_0.gguf"))
    #expect(file.value("general.name")?.text == "My Model 7B")
    #expect(file.value("general.organization")?.text == "Some Org")
    #expect(try FileManager.default.contentsOfDirectory(atPath: snapshot).sorted() == before)
    let cached = snapshot + "/x.gguf"
    try FileManager.default.moveItem(atPath: outputs.path("My-Model-7B-Q8_0.gguf"), toPath: cached)
    let copied = try CommandRun("pouch-quantize", [cached, "COPY"], directory: outputs.url.path)
    #expect(
      copied.status == 0 && copied.errors.contains("the output goes to the current folder"),
      "\(copied.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: outputs.url.path) == ["ggml-model-COPY.gguf"])
    let above = try CommandRun.convert(cache.path("models--Some-Org--My-Model-7B"), "--outfile", out)
    #expect(above.status == 3 && above.errors.contains(snapshot), "\(above.errors)")
    // The cache is looked at when the model is named by its id.
    let refs = cache.path("models--Some-Org--My-Model-7B/refs")
    try FileManager.default.createDirectory(atPath: refs, withIntermediateDirectories: true)
    try "0123456789abcdef".write(toFile: refs + "/main", atomically: true, encoding: .utf8)
    let named = try CommandRun(
      "pouch-convert", ["Some-Org/My-Model-7B", "--outfile", out],
      environment: ["HF_HUB_CACHE": cache.url.path])
    #expect(named.status == 0 && named.errors.contains("Some-Org/My-Model-7B is commit"), "\(named.errors)")
    #expect(named.errors.contains("in \(snapshot)"), "\(named.errors)")
  }
}
