import FileBytes
import Foundation
import HubAccess
import TestSupport
import Testing

@Suite("Models read from a hub")
struct HubReadingTests {
  @Test("everything reads as from the folder, and the token stays with the endpoint")
  func plain() throws {
    let hub = try HubFixture()
    let model = try hub.open()
    #expect(try hub.differences(model) == [])
    #expect(model.title == "\(HubServer.repository)@\(hub.server.commit)")
    #expect(
      model.path.hasSuffix(
        "/models--\(HubServer.repository.replacing("/", with: "--"))/snapshots/\(hub.server.commit)"))
    let requests = hub.server.requests
    #expect(requests.contains { $0.isStore } && requests.contains { $0.path.contains("cursor=") })
    for request in requests {
      #expect(request.authorization == (request.isStore ? nil : "Bearer hf_secret"), "\(request.path)")
      #expect(!request.isStore || request.range != nil)
    }
    // The commit is pinned: nothing but the first request names a branch.
    #expect(requests.count { $0.path.contains("main") } == 1)
    model.close()
    #expect(FileSystem.kind(of: model.path) == .missing)
    #expect(FileSystem.kind(of: hub.folder.path(".cache")) == .missing)
  }

  @Test("announced bytes are used where they came to, or copied, and are the right ones")
  func borrowed() throws {
    let hub = try HubFixture()
    let model = try hub.open()
    defer { model.close() }
    let original = try ReadableFile(path: hub.source + "/" + HubFixture.single)
    let opened = try ReadableFile(path: model.path + "/" + HubFixture.single)
    let remote = try #require(opened.remote)
    let size = original.byteCount
    var random = SeededGenerator(seed: 5)
    // Forwards, some of them twice, some overlapping the one before, and one that is larger than a request.
    var ranges: [Range<Int>] = []
    var start = 0
    while start < size {
      let end = min(size, start + Int.random(in: 1...150_000, using: &random))
      ranges.append(start..<end)
      if Bool.random(using: &random) { ranges.append(max(0, start - 100)..<end) }
      start = end + (Bool.random(using: &random) ? 10_000 : 0)
    }
    ranges.append(0..<size)
    for alignment in [1, 64] {
      let ahead = remote.readAhead(ranges.map { [RemoteRange(file: remote, bytes: $0)] })
      defer { ahead.stop() }
      var borrowedCount = 0
      for (step, range) in ranges.enumerated() {
        let expected = try original.bytes(at: range.lowerBound, count: range.count)
        let wanted = RemoteRange(file: remote, bytes: range)
        if let bytes = try ahead.borrow(wanted, for: step, alignment: alignment) {
          #expect(bytes.elementsEqual(expected), "\(range)")
          #expect(Int(bitPattern: bytes.baseAddress) % alignment == 0, "\(range)")
          borrowedCount += 1
        } else {
          #expect(try opened.bytes(at: range.lowerBound, count: range.count) == expected, "\(range)")
        }
        ahead.finished(step)
      }
      #expect(borrowedCount > (alignment == 1 ? ranges.count / 2 : 0) && borrowedCount < ranges.count)
    }
  }

  @Test("faults on the way are mended, and the bytes are right", arguments: Fault.allCases)
  func mended(_ fault: Fault) throws {
    let hub = try HubFixture { fault.answer($0) }
    let model = try hub.open()
    #expect(try hub.differences(model) == [])
    #expect(hub.server.requests.allSatisfy { !$0.isStore || $0.authorization == nil })
    model.close()
  }

  /// What goes wrong now and then.
  enum Fault: CaseIterable {
    case busy, askedToWait, askedToWaitUntil, broken, cut, expired, silent, slow

    func answer(_ request: HubRequest) -> HubFault? {
      // Fewer faults than attempts, whichever request they hit.
      let isFirst = request.isWeights && request.earlierCount == 0
      let isOneOfTwo = request.isWeights && [2, 5].contains(request.earlierCount)
      switch self {
      case .busy: return request.earlierCount == 0 ? .status(503, [:]) : nil
      case .askedToWait: return isFirst ? .status(429, ["Retry-After": "1"]) : nil
      case .askedToWaitUntil:
        return isFirst ? .status(503, ["Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"]) : nil
      case .broken: return isOneOfTwo ? .cut(after: 0) : nil
      case .cut: return request.isWeights && request.earlierCount < 9 ? .cut(after: 20_000) : nil
      case .expired: return isOneOfTwo ? .status(403, [:]) : nil
      case .silent: return isFirst ? .silence(seconds: 3) : nil
      case .slow: return isFirst ? .drip(pause: 0.4) : nil
      }
    }
  }

  @Test("an interrupted run ends while it waits")
  func interrupted() throws {
    let hub = try HubFixture { $0.isStore ? .status(503, ["Retry-After": "4"]) : nil }
    let start = Date()
    let error = #expect(throws: HubError.self) {
      try hub.open { $0.isCancelled = { Date().timeIntervalSince(start) > 0.3 } }
    }
    #expect(error?.code == .interrupted && Date().timeIntervalSince(start) < 3)
  }

  @Test("an interrupted run ends at once while a body has stopped coming")
  func interruptedBody() throws {
    let hub = try HubFixture { $0.isStore ? .drip(pause: 20) : nil }
    let start = Date()
    let error = #expect(throws: HubError.self) {
      try hub.open(environment: ["HF_HUB_DOWNLOAD_TIMEOUT": "60"]) {
        $0.isCancelled = { Date().timeIntervalSince(start) > 1 }
      }
    }
    let seconds = Date().timeIntervalSince(start)
    #expect(error?.code == .interrupted && seconds > 1 && seconds < 3, "\(seconds) s")
    #expect(hub.server.requests.contains { $0.isStore })
  }

  @Test("connections are used again, those of answers without use, too")
  func connections() throws {
    let hub = try HubFixture { $0.isStore && $0.earlierCount % 3 == 1 ? .status(503, [:]) : nil }
    let model = try hub.open()
    for _ in 0..<3 { #expect(try hub.differences(model) == []) }
    let counts = hub.server.connectionCounts
    let requests = hub.server.requests
    #expect(counts.endpoint <= 8 && counts.store <= 8, "\(counts)")
    #expect(requests.count { $0.isStore } > 3 * counts.store, "\(requests.count) requests, \(counts)")
    model.close()
  }

  @Test("seconds without a byte are counted apart for the list of files")
  func listTimeout() throws {
    func listRequestCount(_ environment: [String: String]) throws -> Int {
      let hub = try HubFixture {
        $0.path.contains("/tree/") && $0.earlierCount == 0 ? .silence(seconds: 2.5) : nil
      }
      try hub.open(environment: environment).close()
      return hub.server.requests.count { $0.path.contains("/tree/") }
    }
    // The first page is asked for twice where its silence lasts too long: the fixture waits for a second.
    let impatient = try listRequestCount([:])
    #expect(try listRequestCount(["HF_HUB_ETAG_TIMEOUT": "20"]) == impatient - 1)
  }

  @Test("the cache's files are used before the hub's")
  func partsOfTheCache() throws {
    let hub = try HubFixture()
    let blobs = hub.cachePlace + "/blobs"
    try FileManager.default.createDirectory(atPath: blobs, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: hub.source + "/" + HubFixture.single,
      toPath: blobs + "/" + hub.server.sha256(HubFixture.single))
    let model = try hub.open()
    #expect(try hub.differences(model) == [])
    #expect(hub.server.requests.allSatisfy { !$0.path.contains(HubFixture.single) })
    model.close()
  }

  @Test("--keep lays the model out as the hub's own programs do, and goes on with what is there")
  func kept() throws {
    let hub = try HubFixture()
    let place = hub.cachePlace
    let tag = hub.server.sha256(HubFixture.single)
    let whole = try Data(contentsOf: URL(fileURLWithPath: hub.source + "/" + HubFixture.single))
    try FileManager.default.createDirectory(atPath: place + "/blobs", withIntermediateDirectories: true)
    let known = whole.count - 200_000
    try whole.prefix(known).write(to: URL(fileURLWithPath: "\(place)/blobs/\(tag).incomplete"))
    let model = try hub.open { $0.keeps = true }
    #expect(try hub.differences(model) == [])
    #expect(model.path == "\(place)/snapshots/\(hub.server.commit)")
    let link = "\(model.path)/\(HubFixture.single)"
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == "../../blobs/\(tag)")
    #expect(try String(contentsOfFile: place + "/refs/main", encoding: .utf8) == hub.server.commit)
    #expect(!FileSystem.contents(of: place + "/blobs").contains { $0.hasSuffix(".incomplete") })
    let ranges = hub.server.requests.filter { $0.path.contains(HubFixture.single) }.compactMap(\.range)
    #expect(ranges.map(\.lowerBound).min() == known)
    // From now on no network is needed.
    let count = hub.server.requests.count
    let again = try hub.open(environment: ["HF_HUB_OFFLINE": "1"])
    #expect(again.path == model.path && hub.server.requests.count == count)
  }

  @Test("hashes tell damaged weights, before a conversion and on the way into the cache")
  func damaged() throws {
    let hub = try HubFixture { request in
      guard request.path.contains(HubFixture.single), let range = request.range, range.lowerBound > 100_000
      else { return nil }
      return .body([UInt8](repeating: 7, count: range.count))
    }
    let verifying = #expect(throws: HubError.self) { try hub.open { $0.verifies = true } }
    #expect(verifying?.code == .wrongHash && verifying?.fault.problems.count == 1)
    let keeping = #expect(throws: HubError.self) { try hub.open { $0.keeps = true } }
    #expect(keeping?.code == .wrongHash && keeping?.fault.file.hasSuffix(HubFixture.single) == true)
    #expect(FileSystem.kind(of: hub.cachePlace + "/snapshots/\(hub.server.commit)/config.json") == .missing)
  }
}
