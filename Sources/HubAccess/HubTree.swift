internal import FileBytes
internal import Foundation

/// The files of one commit of a model on a hub.
struct HubTree: Sendable {
  /// A file.
  struct Entry: Hashable, Sendable {
    /// The path inside the repository.
    var path: String
    /// The size in bytes.
    var byteCount: Int
    /// The hash of git's object, SHA-1 of its head and content; of the pointer for large files.
    var gitHash: String
    /// The SHA-256 of the content of a large file.
    var sha256: String?

    /// What the file is called among the cache's blobs, which is also what the hub calls it in headers.
    var tag: String { sha256 ?? gitHash }
  }

  /// The commit, 40 hexadecimal digits.
  let commit: String
  /// The files.
  let entries: [Entry]

  private static let pageByteLimit = 32 << 20
  private static let mostPages = 1000
  private static let mostEntries = 100_000

  /// Asks for the commit of a revision, then for its files.
  ///
  /// - Throws: ``HubError``.
  init(_ name: HubName, _ client: HubClient) throws {
    let subject = "\(name)"
    let base = "/api/models/\(name.repository)"
    let about = try client.document(
      client.address("\(base)/revision/\(Self.escaped(name.revision))"), limit: Self.pageByteLimit,
      subject: subject, attemptCount: client.settings.retries.firstAttemptCount,
      timeout: client.settings.listTimeout)
    guard let commit = try Self.json(about.bytes, subject)["sha"]?.text, Self.isHex(commit, 40) else {
      throw Self.badAnswer(subject, expected: "the commit of the revision", found: "an answer without it")
    }
    self.commit = commit
    var url: URL? = client.address("\(base)/tree/\(commit)?recursive=true")
    var entries: [Entry] = []
    var pageCount = 0
    while let page = url {
      let (bytes, answered) = try client.document(
        page, limit: Self.pageByteLimit, subject: subject, timeout: client.settings.listTimeout)
      for value in try Self.json(bytes, subject).elements ?? [] {
        if let entry = try Self.entry(value, subject) { entries.append(entry) }
      }
      pageCount += 1
      url = try Self.next(answered.answer, client, subject)
      guard pageCount < Self.mostPages, entries.count <= Self.mostEntries else {
        throw HubError(
          .tooLarge,
          Fault(
            file: subject, expected: "at most \(Self.mostEntries) files on \(Self.mostPages) pages",
            found: "\(entries.count) files on \(pageCount) pages and more"))
      }
    }
    self.entries = entries
  }

  /// Takes files that are known.
  init(commit: String, entries: [Entry]) {
    self.commit = commit
    self.entries = entries
  }

  /// A part of an address, with nothing in it that has a meaning there.
  static func escaped(_ text: String) -> String {
    text.addingPercentEncoding(
      withAllowedCharacters: CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"))
      ?? text
  }

  static func isHex(_ text: String, _ count: Int) -> Bool {
    text.utf8.count == count && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
  }

  private static func json(_ bytes: [UInt8], _ subject: String) throws -> JSONValue {
    do {
      return try JSONValue(parsing: bytes, file: subject)
    } catch {
      let text = (error as? any FaultError)?.fault.found.description ?? "something else"
      throw badAnswer(subject, expected: "JSON", found: text)
    }
  }

  private static func entry(_ value: JSONValue, _ subject: String) throws -> Entry? {
    guard value["type"]?.text == "file" else { return nil }
    guard let path = value["path"]?.text, !path.isEmpty, let hash = value["oid"]?.text, isHex(hash, 40),
      let size = value["lfs"]?["size"]?.integer ?? value["size"]?.integer, size >= 0
    else { throw badAnswer(subject, expected: "path, size and oid of every file", found: "a file without") }
    let sha256 = value["lfs"]?["oid"]?.text
    if let sha256, !isHex(sha256, 64) {
      throw badAnswer(subject, expected: "the SHA-256 of \(path)", found: "another text")
    }
    return Entry(path: path, byteCount: size, gitHash: hash, sha256: sha256)
  }

  /// The address of the next page, which must be the hub's own.
  private static func next(_ answer: HTTPAnswer, _ client: HubClient, _ subject: String) throws -> URL? {
    guard let links = answer.header("link") else { return nil }
    for link in links.split(separator: ",") where link.contains("rel=\"next\"") {
      guard let start = link.firstIndex(of: "<"), let end = link.firstIndex(of: ">"), start < end,
        let url = URL(string: String(link[link.index(after: start)..<end]), relativeTo: answer.url)?
          .absoluteURL,
        client.settings.isEndpoint(url)
      else {
        throw badAnswer(subject, expected: "the next page of the list at the hub itself", found: "\(link)")
      }
      return url
    }
    return nil
  }

  private static func badAnswer(_ subject: String, expected: String, found: String) -> HubError {
    HubError(
      .badAnswer,
      Fault(file: subject, expected: expected, found: found, remedy: "check HF_ENDPOINT and proxies"))
  }
}
