import FileBytes
import Foundation
import TestSupport
import Testing

/// The text of a pointer as Git LFS writes it.
private let pointer =
  "version https://git-lfs.github.com/spec/v1\noid sha256:4665465465465465465465465465465465\nsize 12345678\n"

/// What a command that wants `wanted` says of a folder with these files.
private func refusal(
  _ files: [String: String], wanted: SourceRecognition.Wanted = .checkpoint, name: String = "model"
) throws -> Fault {
  let parent = try TemporaryFolder()
  let folder = parent.path(name)
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  for (file, text) in files {
    let url = URL(fileURLWithPath: folder + "/" + file)
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: url)
  }
  let error = SourceRecognition.refusal(of: folder, wanted: wanted)
  #expect(error.faultClass == .rejected && error.fault.file == folder)
  return error.fault
}

@Suite("What files and folders are")
struct RecognitionTests {
  @Test("a Git LFS pointer is no content, whatever format it stands for")
  func lfsPointer() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("tokenizer.json", Array(pointer.utf8))
    let error = #expect(throws: FileError.self) { try ReadableFile(path: path) }
    #expect(error?.code == .lfsPointer && error?.faultClass == .rejected)
    #expect(error?.fault.found.contains("12345678 bytes") == true && error?.fault.file == path)
    #expect(SourceRecognition.refusal(of: path, wanted: .gguf).code == .lfsPointer)
    #expect(GitLFSPointer(Array(pointer.utf8))?.contentByteCount == 12_345_678)
  }

  @Test("texts that only look a little like a pointer are content")
  func noPointer() throws {
    let folder = try TemporaryFolder()
    let long = pointer + String(repeating: "x", count: 1024)
    for (number, text) in [
      "", "version", " " + pointer, "version https://example.com/spec/v1\nsize 3\n", long,
    ]
    .enumerated() {
      let path = try folder.write("\(number)", Array(text.utf8))
      #expect(try ReadableFile(path: path).byteCount == text.utf8.count)
    }
  }

  @Test("first bytes")
  func contents() {
    func kind(_ bytes: [UInt8]) -> FileContent.Kind? { FileContent(bytes)?.kind }
    #expect(kind([]) == .empty)
    #expect(kind(Array("GGUF".utf8) + [3, 0, 0, 0]) == .gguf)
    #expect(kind(SafetensorsBytes.file("{\"a\":1}")) == .safetensors)
    #expect(kind([0x50, 0x4B, 3, 4, 0, 0]) == .zip)
    #expect(kind([0x80, 2, 0x8A]) == .pickle)
    #expect(kind(Array("  <!DOCTYPE html><html>".utf8)) == .webPage)
    #expect(kind(Array("{\"error\": \"Invalid username or password.\"}".utf8)) == .json)
    #expect(kind(Array("Entry not found. Try again.".utf8)) == .text)
    #expect(kind([UInt8](repeating: 0, count: 512)) == .zeros)
    #expect(kind([1, 2, 3, 4, 200, 7, 0, 0, 0, 0]) == nil)
  }

  @Test("folders that are no checkpoint say what they are")
  func folders() throws {
    let adapter = try refusal([
      "adapter_config.json": #"{"peft_type": "LORA", "x": NaN, "base_model_name_or_path": "org/base"}"#,
      "adapter_model.safetensors": "",
    ])
    #expect(adapter.found.contains("LoRA adapter for org/base") && adapter.remedy.contains("merge"))
    let pipeline = try refusal(["model_index.json": #"{"_class_name": "FluxPipeline"}"#])
    #expect(pipeline.found.contains("diffusers pipeline (FluxPipeline)"))
    #expect(
      try refusal(["modules.json": "[]", "0_T/config.json": "{}"]).found.contains("sentence-transformers"))
    let ggufs = try refusal(["b.gguf": "", "a.gguf": ""])
    #expect(ggufs.found.contains("2 GGUF files: a.gguf, b.gguf") && ggufs.remedy.contains("pouch-quantize"))
    #expect(try refusal(["a.gguf": ""], wanted: .model).remedy == "give the file itself, a.gguf")
    #expect(try refusal(["params.json": "", "consolidated.00.pth": ""]).found.contains("maker's own layout"))
    #expect(
      try refusal(["config.json": "{}", "pytorch_model.bin": ""]).found.contains("PyTorch weights alone"))
    #expect(try refusal(["config.json": "{}", "tf_model.h5": ""]).found.contains("TensorFlow"))
    #expect(try refusal(["model.onnx": ""]).found.contains("another program"))
    #expect(try refusal(["zero_to_fp32.py": "", "global_step9/x.pt": ""]).found.contains("DeepSpeed"))
    #expect(try refusal(["model.safetensors": ""]).found.contains("without their config.json"))
    #expect(try refusal([:]).found == "an empty folder")
    let trainer = try refusal(["checkpoint-500/config.json": "", "checkpoint-1000/config.json": ""])
    #expect(trainer.remedy.hasSuffix("model/checkpoint-1000"))
    let checkpoint = try refusal(["config.json": "", "model.safetensors": ""], wanted: .gguf)
    #expect(checkpoint.found == "the folder of a checkpoint" && checkpoint.remedy.contains("pouch-convert"))
  }

  @Test("links that lead nowhere are not taken for files")
  func danglingLinks() throws {
    let parent = try TemporaryFolder()
    let snapshot = parent.path("models--org--name/snapshots/0123")
    try FileManager.default.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.createSymbolicLink(
        atPath: snapshot + "/" + name, withDestinationPath: "../../blobs/absent")
    }
    let fault = SourceRecognition.refusal(of: snapshot, wanted: .checkpoint).fault
    #expect(
      fault.found.contains("config.json, model.safetensors") && fault.remedy.contains("hf download org/name"))
  }

  @Test("ids on a hub are told from paths")
  func ids() throws {
    #expect(
      SourceRecognition.hubModel("no-such-org/Model-7B_v1.5")?.remedy
        .hasSuffix("hf download no-such-org/Model-7B_v1.5") == true)
    let folder = try TemporaryFolder()
    for path in [
      "model", "a/b/c", "/a/b", "./b", "../b", "~/b", "a/", "/b", "a b/c", "a/x.gguf", "ä/b", "/", "", ".",
      "..",
      folder.url.path + "/x",
    ] {
      #expect(SourceRecognition.hubModel(path) == nil, "\(path)")
    }
    let missing = SourceRecognition.refusal(of: folder.path("absent"), wanted: .model)
    #expect(missing.code == .notFound && missing.fault.found == "nothing of that name")
    let inNoFolder = SourceRecognition.refusal(of: folder.path("absent") + "/x.gguf", wanted: .gguf)
    #expect(inNoFolder.fault.remedy.contains("there is no folder"))
  }

  @Test("a Hugging Face cache points at its snapshot")
  func cache() throws {
    let commit = "0123456789abcdef0123456789abcdef01234567"
    let files = [
      "snapshots/\(commit)/config.json": "{}", "snapshots/other/config.json": "{}", "refs/main": commit,
    ]
    let cache = try refusal(files, name: "models--org--Some--Name")
    #expect(cache.found.contains("the cache of org/Some--Name"))
    #expect(cache.remedy.hasSuffix("/models--org--Some--Name/snapshots/\(commit)"))
    let inner = Dictionary(uniqueKeysWithValues: files.map { ("models--gpt/" + $0.key, $0.value) })
    #expect(try refusal(inner, name: "hub").remedy.contains("models--gpt/snapshots/\(commit)"))
    #expect(
      try refusal(["refs/main": commit, "snapshots/x": ""], name: "models--a--b").found.contains("a/b"))
  }
}

@Suite("Names of model folders")
struct ModelFolderTests {
  @Test("a folder goes by the name it is given, and by its real one when that is a dot")
  func names() throws {
    let parent = try TemporaryFolder()
    let real = parent.path("Real-7B")
    try FileManager.default.createDirectory(atPath: real + "/inner", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: parent.path("link"), withDestinationPath: real)
    for (path, name) in [
      (real, "Real-7B"), (real + "/", "Real-7B"), (real + "/.", "Real-7B"), (real + "/./", "Real-7B"),
      (real + "/inner/..", "Real-7B"), (parent.path("link"), "link"), ("absent/x", "x"),
    ] {
      #expect(ModelFolder(path).name == name && ModelFolder(path).modelName == name, "\(path)")
      #expect(ModelFolder(path).hubRepository == nil && !ModelFolder(path).isInHubCache)
    }
    let here = FileManager.default.currentDirectoryPath
    #expect(ModelFolder(".").name == (here as NSString).lastPathComponent)
    #expect(ModelFolder("./").name == ModelFolder(".").name)
  }

  @Test("a snapshot goes by the repository's name, unless a link has one of its own")
  func snapshots() throws {
    let parent = try TemporaryFolder()
    let snapshot = parent.path("models--org--Fine-7B/snapshots/0123abcd")
    try FileManager.default.createDirectory(atPath: snapshot + "/part", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: parent.path("mine"), withDestinationPath: snapshot)
    for path in [snapshot, snapshot + "/", snapshot + "/part/.."] {
      let folder = ModelFolder(path)
      #expect(folder.hubRepository == "org/Fine-7B" && folder.modelName == "Fine-7B" && folder.isInHubCache)
    }
    let link = ModelFolder(parent.path("mine"))
    #expect(link.hubRepository == nil && link.modelName == "mine" && link.isInHubCache)
    let part = ModelFolder(snapshot + "/part")
    #expect(part.modelName == "part" && part.isInHubCache)
    #expect(!ModelFolder(parent.path("models--org--Fine-7B")).isInHubCache)
    #expect(ModelFolder.repository(cacheFolder: "models--gpt2") == "gpt2")
    #expect(ModelFolder.repository(cacheFolder: "datasets--a--b") == nil)
    #expect(ModelFolder.repository(cacheFolder: "models--") == nil)
  }
}
