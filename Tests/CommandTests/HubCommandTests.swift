import FileBytes
import Foundation
import TestSupport
import Testing

@Suite("Commands on models of a hub")
struct HubCommandTests {
  private let folder: TemporaryFolder
  private let source: String
  private let name = HubServer.repository

  init() throws {
    folder = try TemporaryFolder()
    // As in the cache: name and organization come from there.
    source = try TinyCheckpoint(expertWidth: 1024).write(
      in: folder, name: "models--some-org--tiny-model/snapshots/" + String(repeating: "0", count: 40))
  }

  private func run(_ command: String, _ server: HubServer, _ arguments: String...) throws -> CommandRun {
    try runHub(command, server, arguments)
  }

  private func runHub(_ command: String, _ server: HubServer, _ arguments: [String]) throws -> CommandRun {
    try CommandRun(
      command, arguments, directory: folder.url.path,
      environment: [
        "HF_ENDPOINT": server.endpoint, "HF_HOME": folder.path("hub-home"), "HF_TOKEN": "hf_secret",
        "HF_HUB_OFFLINE": "0", "HF_HUB_DOWNLOAD_TIMEOUT": "2",
        "TMPDIR": try temporary(),
      ])
  }

  /// A folder for temporary files, to see what is left there.
  private func temporary() throws -> String {
    let path = folder.path("temporary")
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test("a conversion from the hub has the bytes of one from the folder, and leaves nothing else")
  func converts() throws {
    let server = try HubServer(folder: source)
    for type in ["q8_0", "bf16"] {
      let local = try CommandRun.convert(source, "--outtype", type, "--outfile", folder.path("local.gguf"))
      #expect(local.status == 0, "\(local.errors)")
      let remote = try run("pouch-convert", server, name, "--outtype", type, "--outfile", "remote.gguf")
      #expect(remote.status == 0, "\(remote.errors)")
      #expect(remote.errors.contains("\(name) is commit \(server.commit), read from 127.0.0.1"))
      #expect(!(remote.errors + remote.output).contains("hf_secret"))
      #expect(try bytes(folder.path("remote.gguf")) == bytes(folder.path("local.gguf")))
      for file in ["local.gguf", "remote.gguf"] { FileSystem.remove(folder.path(file)) }
    }
    // Without a name for the output, it goes to the current folder.
    #expect(try run("pouch-convert", server, "hf://" + name, "--outtype", "q8_0").status == 0)
    #expect(FileSystem.contents(of: folder.url.path).contains { $0.hasSuffix("-Q8_0.gguf") })
    #expect(FileSystem.contents(of: try temporary()).filter { $0.hasPrefix("pouch-hub") } == [])
    #expect(FileSystem.kind(of: folder.path("hub-home")) == .missing)
  }

  @Test("--keep and --verify-source give the same bytes")
  func keeps() throws {
    let server = try HubServer(folder: source)
    let local = try CommandRun.convert(source, "--outtype", "q8_0", "--outfile", folder.path("local.gguf"))
    #expect(local.status == 0)
    for flag in ["--verify-source", "--keep"] {
      let out = flag.dropFirst(2) + ".gguf"
      let run = try run("pouch-convert", server, name, "--outtype", "q8_0", "--outfile", String(out), flag)
      #expect(run.status == 0, "\(run.errors)")
      #expect(try bytes(folder.path(String(out))) == bytes(folder.path("local.gguf")))
    }
    let offline = try CommandRun(
      "pouch-convert", [name, "--outtype", "q8_0", "--outfile", folder.path("offline.gguf")],
      environment: ["HF_HOME": folder.path("hub-home"), "HF_HUB_OFFLINE": "1"])
    #expect(offline.status == 0, "\(offline.errors)")
    #expect(try bytes(folder.path("offline.gguf")) == bytes(folder.path("local.gguf")))
  }

  @Test("a run that the hub let down goes on where it stopped, and fetches nothing again")
  func resumes() throws {
    let local = try CommandRun.convert(source, "--outtype", "q8_0", "--outfile", folder.path("local.gguf"))
    #expect(local.status == 0)
    // The last bytes of the last file never come.
    let size = FileManager.default.contents(atPath: source + "/model-00002-of-00002.safetensors")?.count ?? 0
    let broken = try HubServer(folder: source) { request in
      request.isWeights && request.path.contains("00002")
        && (request.range.map { $0.count > 5000 && $0.upperBound > size - 1000 } ?? false)
        && request.earlierCount > 0 ? .status(416, [:]) : nil
    }
    let arguments = [name, "--outtype", "q8_0", "--outfile", "remote.gguf"]
    func convert(_ server: HubServer) throws -> CommandRun {
      try run("pouch-convert", server, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4])
    }
    let first = try convert(broken)
    #expect(first.status == 1 && first.errors.contains("status 200 or 206"), "\(first.errors)")
    #expect(FileSystem.kind(of: folder.path("remote.gguf")) == .missing)
    #expect(FileSystem.kind(of: folder.path("remote.gguf.partial")) == .file)
    let whole = try HubServer(folder: source)
    let second = try convert(whole)
    #expect(second.status == 0 && second.errors.contains("continuing"), "\(second.errors)")
    #expect(try bytes(folder.path("remote.gguf")) == bytes(folder.path("local.gguf")))
    #expect(whole.sentByteCount < size, "\(whole.sentByteCount) of \(size) bytes once more")
  }

  @Test("refusals have exit codes, and nothing is written")
  func refuses() throws {
    for (status, headers, code, text) in [
      (401, ["X-Error-Code": "RepoNotFound"], 3, "HF_TOKEN"),
      (403, ["X-Error-Code": "GatedRepo"], 3, "accept its licence"),
      (429, ["Retry-After": "900"], 1, "wait 900 s"),
    ] as [(Int, [String: String], Int32, String)] {
      let server = try HubServer(folder: source) { _ in .status(status, headers) }
      for command in ["pouch-convert", "pouch-inspect", "pouch-estimate"] {
        let run = try run(command, server, name)
        #expect(run.status == code && run.errors.contains(text), "\(command): \(run.errors)")
        #expect(run.errorLines.count == 1 && !run.errors.contains("hf_secret"))
      }
    }
    #expect(
      FileSystem.contents(of: folder.url.path).sorted() == ["models--some-org--tiny-model", "temporary"])
  }

  @Test("messages name files of the model, not the folder that they lie in for a while")
  func names() throws {
    _ = try folder.write(
      String(source.dropFirst(folder.url.path.count + 1)) + "/config.json", Array("{".utf8))
    let server = try HubServer(folder: source)
    for json in [[], ["--json"]] {
      let run = try CommandRun(
        "pouch-convert", [name, "--outtype", "q8_0"] + json, directory: folder.url.path,
        environment: [
          "HF_ENDPOINT": server.endpoint, "HF_HOME": folder.path("hub-home"), "HF_HUB_OFFLINE": "0",
          "TMPDIR": try temporary(),
        ])
      #expect(run.status == 3 && run.errors.contains("Error: \(name)/config.json: "), "\(run.errors)")
      #expect(!(run.errors + run.output).contains("pouch-hub-"), "\(run.errors)\(run.output)")
    }
  }

  @Test("plans, sizes and headers need a small part of the model")
  func small() throws {
    let server = try HubServer(folder: source)
    let plan = try run("pouch-convert", server, name, "--outtype", "q8_0", "--dry-run")
    #expect(plan.status == 0, "\(plan.errors)")
    let inspection = try run("pouch-inspect", server, name)
    #expect(inspection.status == 0 && inspection.output.contains("\(name)@\(server.commit)"))
    let estimate = try run("pouch-estimate", server, name, "--type", "q8_0")
    #expect(estimate.status == 0, "\(estimate.errors)")
    let size = FileManager.default.contents(atPath: source + "/model-00002-of-00002.safetensors")?.count ?? 0
    #expect(server.sentByteCount < size / 2, "\(server.sentByteCount) of \(size)")
    #expect(
      FileSystem.contents(of: folder.url.path).sorted() == ["models--some-org--tiny-model", "temporary"])
  }

  @Test("a file is compared with some tensors of the model on the hub")
  func validates() throws {
    let made = try CommandRun.convert(source, "--outtype", "q8_0", "--outfile", folder.path("a.gguf"))
    #expect(made.status == 0)
    let all = try HubServer(folder: source)
    let whole = try run("pouch-validate", all, "a.gguf", "--against", name)
    #expect(whole.status == 0 && whole.output.contains("exact"), "\(whole.output)\(whole.errors)")
    let part = try HubServer(folder: source)
    let sampled = try run("pouch-validate", part, "a.gguf", "--against", name, "--sample", "4")
    #expect(sampled.status == 0 && sampled.output.contains("4 of them: "), "\(sampled.output)")
    #expect(part.sentByteCount < all.sentByteCount)
  }

  @Test(
    "models are measured where they lie, with the numbers of the folder, window by window and layer by layer")
  func measures() throws {
    let sample = RepositoryFiles.sample
    let server = try HubServer(folder: sample)
    let text = RepositoryFiles.path("samples/texts/svg-plain.txt")
    let common = ["-f", text, "-c", "64", "--chunks", "4", "-t", "2"]
    func numbers(_ json: String) throws -> [Double] {
      let report = try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
      let results = try #require(report["results"] as? [[String: Any]])
      #expect(results.allSatisfy { ($0["model"] as? String)?.contains("pouch-hub-") == false })
      return results.compactMap { ($0["perplexity"] as? [String: Any])?["value"] as? Double }
    }
    let local = try CommandRun("pouch-perplexity", ["-m", sample, "--json"] + common)
    #expect(local.status == 0, "\(local.errors)")
    for schedule in ["windows", "layers"] {
      let before = server.sentByteCount
      let remote = try runHub(
        "pouch-perplexity", server, ["-m", name, "--json", "--schedule", schedule] + common)
      #expect(remote.status == 0, "\(remote.errors)")
      #expect(try !numbers(local.output).isEmpty && numbers(remote.output) == numbers(local.output))
      #expect(remote.output.contains("\"\(name)@\(server.commit)\""))
      // Every byte is fetched once.
      #expect(server.sentByteCount - before < 21 << 20, "\(server.sentByteCount - before)")
    }
    let (here, there) = (folder.path("here.gguf"), folder.path("there.gguf"))
    let collected = try CommandRun("pouch-imatrix", ["-m", sample, "-o", here] + common)
    #expect(collected.status == 0, "\(collected.errors)")
    let fetched = try runHub("pouch-imatrix", server, ["-m", name, "-o", there] + common)
    #expect(fetched.status == 0, "\(fetched.errors)")
    #expect(try bytes(here) == bytes(there))
    #expect(FileSystem.contents(of: try temporary()).filter { $0.hasPrefix("pouch-hub") } == [])
  }

  @Test("an interrupted measurement of a model of a hub goes on from its state in another process")
  func resumesMeasuring() throws {
    let sample = RepositoryFiles.sample
    let whole = try HubServer(folder: sample)
    let text = RepositoryFiles.path("samples/texts/svg-plain.txt")
    let common = ["-m", name, "-f", text, "-c", "64", "-t", "2", "--chunks", "3", "--schedule", "layers"]
    let first = try runHub(
      "pouch-perplexity", whole, common + ["--resume", folder.path("state"), "--part", "1/3"])
    #expect(first.status == 0, "\(first.errors)")
    let again = try runHub(
      "pouch-perplexity", whole, common + ["--resume", folder.path("state"), "--part", "1/3"])
    #expect(again.status == 0 && again.errors.contains("1 windows are done"), "\(again.errors)")
    // A hub that fails in the middle: an error, no number, and nothing left behind.
    let broken = try HubServer(folder: sample) { request in
      request.isWeights && request.path.contains("00002") && request.earlierCount > 2
        ? .status(416, [:]) : nil
    }
    let failed = try runHub("pouch-perplexity", broken, common)
    #expect(failed.status == 1 && failed.errors.contains("status"), "\(failed.errors)")
    #expect(!failed.output.contains("PPL"), "\(failed.output)")
    #expect(FileSystem.contents(of: try temporary()).filter { $0.hasPrefix("pouch-hub") } == [])
  }
}
