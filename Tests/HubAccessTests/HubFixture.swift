import FileBytes
import Foundation
import HubAccess
import TestSupport

/// A tiny model on a server of this process, and an environment that leads there and nowhere else.
struct HubFixture {
  let folder: TemporaryFolder
  let source: String
  let server: HubServer

  static let single = "model-00002-of-00002.safetensors"

  /// Starts the server.
  ///
  /// - Parameter fault: What goes wrong.
  /// - Throws: When files or sockets cannot be made.
  init(_ fault: @escaping @Sendable (HubRequest) -> HubFault? = { _ in nil }) throws {
    folder = try TemporaryFolder()
    // Wide experts, so that a file of weights takes several requests.
    source = try TinyCheckpoint(expertWidth: 1024).write(in: folder)
    server = try HubServer(folder: source, fault: fault)
  }

  var environment: [String: String] {
    [
      "HF_ENDPOINT": server.endpoint, "HOME": folder.url.path, "HF_TOKEN": "hf_secret",
      "HF_HUB_DOWNLOAD_TIMEOUT": "1",
    ]
  }

  var cachePlace: String {
    folder.path(".cache/huggingface/hub/models--" + HubServer.repository.replacing("/", with: "--"))
  }

  /// Opens the model.
  func open(
    _ name: String = HubServer.repository, environment: [String: String] = [:],
    _ change: (inout HubArgument.Wishes) -> Void = { _ in }
  ) throws -> HubArgument {
    var wishes = HubArgument.Wishes()
    var retries = RetryPolicy()
    retries.firstDelay = 0.01
    retries.longestDelay = 0.05
    retries.attemptCount = 4
    retries.longestAskedDelay = 5
    wishes.retries = retries
    change(&wishes)
    return try HubArgument(name, wishes, environment: self.environment.merging(environment) { $1 })
  }

  /// The names whose content in an opened model is not that of the source.
  func differences(_ model: HubArgument) throws -> [String] {
    try server.names.filter { name in
      let original = try ReadableFile(path: source + "/" + name)
      let opened = try ReadableFile(path: model.path + "/" + name)
      guard opened.byteCount == original.byteCount else { return true }
      let bytes = try original.bytes(at: 0, count: original.byteCount)
      // In one piece, in pieces that are announced, and at odd places.
      let pieces = stride(from: 0, to: bytes.count, by: 70_001).map { $0..<min($0 + 70_001, bytes.count) }
      let middle = bytes.count / 2..<min(bytes.count / 2 + 777, bytes.count)
      return try opened.bytes(at: 0, count: bytes.count) != bytes || opened.bytes(of: pieces) != bytes
        || opened.bytes(at: middle.lowerBound, count: middle.count) != Array(bytes[middle])
    }
  }
}
