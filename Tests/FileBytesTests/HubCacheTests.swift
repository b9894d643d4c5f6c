import FileBytes
import Foundation
import TestSupport
import Testing

@Suite("Models named as on a hub")
struct HubCacheTests {
  private static let commits = ["0", "1"].map { String(repeating: $0, count: 40) }

  /// A cache with two commits of org/Model-7B, one of them fetched in part, and one model without snapshots.
  private func makeCache() throws -> (folder: TemporaryFolder, cache: HubCache) {
    let parent = try TemporaryFolder()
    let files = FileManager.default
    let model = "models--org--Model-7B"
    let index =
      #"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}}"#
    for folder in ["blobs", "refs/pr", "snapshots"].map({ model + "/" + $0 }) + ["models--org--Empty/refs"] {
      try files.createDirectory(atPath: parent.path(folder), withIntermediateDirectories: true)
    }
    for (number, commit) in Self.commits.enumerated() {
      let snapshot = parent.path("\(model)/snapshots/\(commit)")
      try files.createDirectory(atPath: snapshot, withIntermediateDirectories: true)
      try index.write(toFile: snapshot + "/model.safetensors.index.json", atomically: true, encoding: .utf8)
      for shard in 1...2 {
        let blob = "blobs/\(number)\(shard)"
        // The second shard of the second commit is still on its way.
        let isThere = (number, shard) != (1, 2)
        try "x".write(
          toFile: parent.path("\(model)/\(blob)") + (isThere ? "" : ".incomplete"), atomically: true,
          encoding: .utf8)
        try files.createSymbolicLink(
          atPath: snapshot + "/model-\(shard).safetensors", withDestinationPath: "../../" + blob)
      }
    }
    for (ref, commit) in [("main", Self.commits[0]), ("pr/1", Self.commits[1] + "\n"), ("old", "2")] {
      try commit.write(toFile: parent.path("\(model)/refs/\(ref)"), atomically: true, encoding: .utf8)
    }
    return (parent, HubCache(folder: parent.url.path))
  }

  private func name(_ text: String) throws -> HubName { try #require(HubName(text)) }

  @Test func names() throws {
    #expect(try name("no-such-org/Model-7B").revision == "main")
    #expect(try name("no-such-org/Model-7B@pr/1").revision == "pr/1")
    #expect(try name("hf://no-such-org/model.gguf@v1.0").repository == "no-such-org/model.gguf")
    #expect(try name("hf://a/b@c").description == "a/b@c")
    for text in [
      "a/b@", "a/b@../c", "a/b@c//d", "hf://a", "hf://a/b/c", "a/b@.x", "hf:///b", "no-such-org/x.gguf",
    ] {
      #expect(HubName(text) == nil, "\(text)")
    }
  }

  @Test func revisions() throws {
    let (folder, cache) = try makeCache()
    for (text, commit) in [
      ("org/Model-7B", 0), ("org/Model-7B@pr/1", 1), ("org/Model-7B@\(Self.commits[1])", 1),
    ] {
      let snapshot = try #require(try cache.snapshot(of: try name(text)))
      #expect(
        snapshot.commit == Self.commits[commit] && snapshot.folder.hasSuffix("/snapshots/" + snapshot.commit))
    }
    #expect(try cache.snapshot(of: try name("org/Other")) == nil)
    #expect(try cache.snapshot(of: try name("org/Empty")) == nil)
    for text in ["org/Model-7B@v2", "org/Model-7B@old"] {
      let name = try name(text)
      let error = #expect(throws: FileError.self) { try cache.snapshot(of: name) }
      #expect(error?.fault.found.contains("main (\(Self.commits[0]))") == true)
      #expect(error?.fault.remedy.contains("--revision") == true)
    }
    withExtendedLifetime(folder) {}
  }

  @Test func parts() throws {
    let (folder, cache) = try makeCache()
    let whole = try name("org/Model-7B")
    try HubCache.requireWeights(try #require(try cache.snapshot(of: whole)), of: whole)
    let part = try name("org/Model-7B@pr/1")
    let snapshot = try #require(try cache.snapshot(of: part))
    let error = #expect(throws: FileError.self) { try HubCache.requireWeights(snapshot, of: part) }
    #expect(error?.fault.found == "a part of the model: model-2.safetensors is missing")
    #expect(error?.fault.remedy.hasSuffix("hf download org/Model-7B --revision \(Self.commits[1])") == true)
    withExtendedLifetime(folder) {}
  }

  @Test func places() {
    func folder(_ environment: [String: String]) -> String? { HubCache(environment: environment)?.folder }
    #expect(folder(["HF_HUB_CACHE": "/a", "HF_HOME": "/b"]) == "/a")
    #expect(folder(["HUGGINGFACE_HUB_CACHE": "/a", "HF_HOME": "/b"]) == "/a")
    #expect(folder(["HF_HUB_CACHE": "", "HF_HOME": "/b", "XDG_CACHE_HOME": "/c"]) == "/b/hub")
    #expect(folder(["XDG_CACHE_HOME": "/c", "HOME": "/d"]) == "/c/huggingface/hub")
    #expect(folder(["HOME": "/d"]) == "/d/.cache/huggingface/hub")
    #expect(folder(["HF_HOME": "~/hf", "HOME": "/d"]) == "/d/hf/hub")
    #expect(folder([:]) == nil)
  }
}
