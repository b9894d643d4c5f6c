internal import FileBytes
internal import Foundation
internal import Synchronization

/// A file of a commit on a hub, read by ranges.
final class HubFile: RemoteBytes {
  let entry: HubTree.Entry
  /// What messages call it.
  let subject: String
  let commit: String
  let address: URL
  let client: HubClient
  private let fetcher: HubFetcher
  private let state = Mutex(State())
  /// The first bytes, which hold the header of a file of weights.
  private let head = Mutex<[UInt8]>([])

  private struct State {
    /// Where the hub sends who wants the file: a signed address, which expires.
    var location: URL?
    /// The entity tags that were seen first, by host.
    var tags: [String: String] = [:]
  }

  /// Bytes of the first request for a header, which cover most.
  static let headByteCount = 100_000

  init(_ entry: HubTree.Entry, of name: HubName, commit: String, client: HubClient, fetcher: HubFetcher) {
    self.entry = entry
    self.commit = commit
    self.client = client
    self.fetcher = fetcher
    subject = "\(name.repository)/\(entry.path)"
    let path = entry.path.split(separator: "/", omittingEmptySubsequences: false)
      .map { HubTree.escaped(String($0)) }.joined(separator: "/")
    address = client.address("/\(name.repository)/resolve/\(commit)/\(path)")
  }

  var byteCount: Int { entry.byteCount }

  var windowByteCount: Int { fetcher.windowByteCount }

  /// From the hash that the hub states: equal content has an equal version, wherever and whenever it is read.
  var version: Int64 {
    Int64(bitPattern: entry.tag.withContiguousBytes { XXHash64.hash($0) })
  }

  /// Fetches the first bytes.
  ///
  /// - Throws: ``HubError``.
  func fetchHead() throws {
    var bytes = [UInt8](repeating: 0, count: min(Self.headByteCount, byteCount))
    try bytes.withUnsafeMutableBytes { try fetch(at: 0, into: $0) }
    head.withLock { $0 = bytes }
  }

  /// The number of bytes at the front that are in memory for good.
  var headByteCount: Int { head.withLock(\.count) }

  func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    guard offset >= 0, buffer.count <= byteCount, offset <= byteCount - buffer.count else {
      throw FileError(
        .truncated,
        Fault(
          file: subject, expected: "\(buffer.count) bytes at \(offset)",
          found: "the end of the file at \(byteCount)"))
    }
    let known = head.withLock { head -> Int in
      guard offset < head.count else { return 0 }
      let count = min(buffer.count, head.count - offset)
      head.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: buffer[0..<count]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: $0[offset..<(offset + count)]))
      }
      return count
    }
    guard known < buffer.count else { return }
    try fetcher.read(
      self, at: offset + known, into: UnsafeMutableRawBufferPointer(rebasing: buffer[known...]))
  }

  func readAhead(_ steps: [[RemoteRange]]) -> any ReadAhead { fetcher.schedule(steps) }

  /// Fetches a range over the network, in as many requests as it takes.
  ///
  /// - Throws: ``HubError``.
  func fetch(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    var done = 0
    var retrying = client.retrying(subject)
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let range = (offset + done)..<(offset + buffer.count)
      do {
        let got = try request(range, into: rest, &retrying)
        if got > 0 { retrying.progressed() }
        done += got
      } catch let failure as TransportFailure {
        state.withLock { $0.location = nil }
        try retrying.wait(after: failure)
      }
    }
  }

  /// Sends one request for a range.
  ///
  /// - Returns: How many bytes came, from the front of the range.
  private func request(
    _ range: Range<Int>, into buffer: UnsafeMutableRawBufferPointer, _ retrying: inout Retrying
  ) throws -> Int {
    let known = state.withLock { $0.location }
    let answered = try client.send(
      known ?? address, headers: ["Range": "bytes=\(range.lowerBound)-\(range.upperBound - 1)"],
      body: .placed(buffer), subject: subject,
      wantsBody: { [self] in $0.status == 206 && (try? check($0, range)) != nil })
    let answer = answered.answer
    for redirect in answered.redirects { try checkLinked(redirect) }
    guard answer.status == 206 else {
      state.withLock { $0.location = nil }
      if answer.status == 200 {
        throw HubError(
          .badAnswer,
          Fault(
            file: subject, expected: "status 206 and the bytes \(range.lowerBound)-\(range.upperBound - 1)",
            found: "status 200: \(answer.url.host ?? "the host") sends the whole file",
            remedy: "a mirror or proxy that knows no ranges is in the way; check HF_ENDPOINT and proxies"))
      }
      if known != nil, [401, 403, 404, 410].contains(answer.status) {
        // The signed address has expired: ask the hub for another one, without counting that as a failure twice.
        try retrying.wait(found: "status \(answer.status) of \(answer.url.host ?? "")", asked: 0)
        return 0
      }
      try client.refuse(answer, redirects: answered.redirects, subject: subject)
      try retrying.wait(for: answer)
      return 0
    }
    if client.settings.isEndpoint(answer.url) { try checkLinked(answer) }
    try check(answer, range)
    state.withLock { state in
      state.location = client.settings.isEndpoint(answer.url) ? nil : answer.url
    }
    if let failure = answered.outcome.failure {
      if case .tooMany = failure {
        throw HubError(
          .badAnswer,
          Fault(
            file: subject, expected: "\(range.count) bytes", found: "more than these",
            remedy: "check HF_ENDPOINT and proxies"))
      }
      guard answered.outcome.byteCount > 0 else { throw failure }
      if case .interrupted = failure { throw failure }
      return answered.outcome.byteCount
    }
    guard answered.outcome.byteCount > 0 else { throw TransportFailure.broken("an answer without bytes") }
    return answered.outcome.byteCount
  }

  /// Checks what the hub itself says of the file.
  private func checkLinked(_ answer: HTTPAnswer) throws {
    if let found = answer.tag("x-linked-etag"), found != entry.tag {
      throw changed(expected: entry.tag, found: found)
    }
    if let text = answer.header("x-linked-size"), let size = Int(text), size != byteCount {
      throw changed(expected: "\(byteCount) bytes", found: "\(size) bytes")
    }
    if let found = answer.header("x-repo-commit"), found != commit {
      throw changed(expected: "commit \(commit)", found: "commit \(found)")
    }
  }

  /// The numbers of `bytes 0-99/1000`, the last of which may be `*`.
  ///
  /// By hand, since each of thousands of answers has one: a regular expression would be parsed each time, too.
  private static func contentRange(_ text: String) -> (first: Int, last: Int, size: Int?)? {
    guard text.hasPrefix("bytes ") else { return nil }
    let parts = text.dropFirst(6).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], parts[1] == "*" || Int(parts[1]) != nil
    else {
      return nil
    }
    return (first, last, Int(parts[1]))
  }

  /// Checks that an answer holds the bytes asked for, of the file that was there before.
  private func check(_ answer: HTTPAnswer, _ range: Range<Int>) throws {
    let text = answer.header("content-range") ?? "none"
    guard let (first, last, size) = Self.contentRange(text), first == range.lowerBound, last >= first,
      last < range.upperBound
    else {
      throw HubError(
        .badAnswer,
        Fault(
          file: subject, expected: "Content-Range: bytes \(range.lowerBound)-\(range.upperBound - 1)",
          found: text, remedy: "a mirror or proxy is in the way; check HF_ENDPOINT and proxies"))
    }
    if let size, size != byteCount {
      throw changed(expected: "\(byteCount) bytes", found: "\(size) bytes")
    }
    guard let tag = answer.tag("etag"), let host = answer.url.host else { return }
    let pinned = state.withLock { state in
      let known = state.tags[host] ?? tag
      state.tags[host] = known
      return known
    }
    guard pinned == tag else { throw changed(expected: "ETag \(pinned)", found: "ETag \(tag)") }
  }

  private func changed(expected: String, found: String) -> HubError {
    HubError(
      .changed,
      Fault(
        file: subject, expected: "\(expected), as before", found: found,
        remedy: "the file changed on the hub or a mirror while it was read; run the command again"))
  }
}

extension String {
  fileprivate func withContiguousBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    var copy = self
    return copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
  }
}
