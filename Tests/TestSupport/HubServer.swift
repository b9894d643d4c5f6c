internal import Crypto
internal import Foundation
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A request that a ``HubServer`` got.
public struct HubRequest: Sendable {
  /// Whether it came to the store of large files, another host than the endpoint.
  public var isStore: Bool
  /// The path with its query.
  public var path: String
  /// The bytes asked for; `nil` for the whole.
  public var range: ClosedRange<Int>?
  /// The `Authorization` header; `nil` without one.
  public var authorization: String?
  /// How many requests to the same host for the same path, whatever the query, there were before.
  public var earlierCount: Int

  /// Whether it asks for a file of weights at the store.
  public var isWeights: Bool { isStore && path.contains(".safetensors") }
}

/// What a ``HubServer`` does wrong.
public enum HubFault: Sendable {
  /// Another status, with headers.
  case status(Int, [String: String])
  /// The connection is closed after as many bytes of the body.
  case cut(after: Int)
  /// The whole file instead of the range.
  case wholeFile
  /// A range that starts some bytes later than the one asked for.
  case shifted(by: Int)
  /// Another entity tag.
  case tag(String)
  /// The body comes a byte at a time, with a pause in seconds between them.
  case drip(pause: Double)
  /// Another body.
  case body([UInt8])
  /// Bytes without an end, whose number no head tells, after the right head or that of the whole file.
  case endless(status: Int)
  /// No answer at all for some seconds.
  case silence(seconds: Double)
}

/// A server in this process that speaks the hub's protocol, well or badly, over plain sockets.
public final class HubServer: Sendable {
  /// The model's name.
  public static let repository = "some-org/tiny-model"
  /// The commit that `main` is.
  public let commit: String

  struct File: Sendable {
    var bytes: [UInt8]
    var gitHash: String
    var sha256: String
    var isLarge: Bool
  }

  let files: [(name: String, file: File)]
  let fault: @Sendable (HubRequest) -> HubFault?
  private let sockets: [Int32]
  let ports: [Int]
  private let log = Mutex<[HubRequest]>([])
  private let sent = Mutex<Int>(0)
  private let accepted = Mutex<[Int]>([0, 0])

  private struct Failure: Error {}

  /// Serves the files of a folder; files of weights lie in the store.
  ///
  /// - Parameters:
  ///   - folder: The folder.
  ///   - fault: What goes wrong with a request; `nil` for nothing.
  /// - Throws: When there is no socket, or the folder cannot be read.
  public init(folder: String, fault: @escaping @Sendable (HubRequest) -> HubFault? = { _ in nil }) throws {
    self.fault = fault
    var all: [UInt8] = []
    files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name)))
      var git = Insecure.SHA1()
      git.update(data: Array("blob \(bytes.count)\0".utf8))
      git.update(data: bytes)
      let file = File(
        bytes: bytes, gitHash: Self.hex(git.finalize()), sha256: Self.hex(Crypto.SHA256.hash(data: bytes)),
        isLarge: name.hasSuffix(".safetensors"))
      all += Array(file.sha256.utf8)
      return (name, file)
    }
    commit = Self.hex(Insecure.SHA1.hash(data: all))
    let listeners = try (0..<2).map { _ in try Self.listen() }
    sockets = listeners.map(\.socket)
    ports = listeners.map(\.port)
    for (index, listener) in listeners.enumerated() {
      Thread { [weak self] in
        while true {
          let connection = accept(listener.socket, nil, nil)
          guard connection >= 0, let server = self else {
            if connection >= 0 { close(connection) }
            return
          }
          server.accepted.withLock { $0[index] += 1 }
          Thread { server.serve(connection, isStore: index == 1) }.start()
        }
      }.start()
    }
  }

  deinit { stop() }

  /// Takes no more connections.
  public func stop() { for socket in sockets { shutdown(socket, Int32(SHUT_RDWR.number)) } }

  /// The value for `HF_ENDPOINT`.
  public var endpoint: String { "http://127.0.0.1:\(ports[0])" }
  /// All requests so far.
  public var requests: [HubRequest] { log.withLock(\.self) }
  /// Bytes of the bodies that were sent from the store.
  public var sentByteCount: Int { sent.withLock(\.self) }
  /// Connections so far: to the endpoint, and to the store.
  public var connectionCounts: (endpoint: Int, store: Int) { accepted.withLock { ($0[0], $0[1]) } }
  /// The names of all files.
  public var names: [String] { files.map(\.name) }
  /// The SHA-256 of a file.
  public func sha256(_ name: String) -> String { files.first { $0.name == name }?.file.sha256 ?? "" }

  static func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func listen() throws -> (socket: Int32, port: Int) {
    let descriptor = socket(AF_INET, SOCK_STREAM.number, 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && systemListen(descriptor, 64) == 0
          && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard descriptor >= 0, isBound else { throw Failure() }
    return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
  }

  /// Answers the requests of one connection.
  private func serve(_ connection: Int32, isStore: Bool) {
    defer { close(connection) }
    var pending: [UInt8] = []
    while true {
      guard let end = pending.firstRange(of: Array("\r\n\r\n".utf8)) else {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let got = recv(connection, &chunk, chunk.count, 0)
        guard got > 0 else { return }
        pending += chunk[0..<got]
        continue
      }
      let lines = String(decoding: pending[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
      pending.removeSubrange(..<end.upperBound)
      let words = lines[0].split(separator: " ")
      guard words.count == 3 else { return }
      var request = HubRequest(isStore: isStore, path: String(words[1]), earlierCount: 0)
      for line in lines.dropFirst() {
        let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
        guard parts.count == 2 else { continue }
        if parts[0].lowercased() == "authorization" { request.authorization = parts[1] }
        if parts[0].lowercased() == "range", let match = parts[1].wholeMatch(of: /bytes=(\d+)-(\d+)/),
          let first = Int(match.1), let last = Int(match.2)
        {
          request.range = first...last
        }
      }
      request = log.withLock { log in
        let name = request.path.prefix { $0 != "?" }
        request.earlierCount = log.count { $0.path.prefix { $0 != "?" } == name && $0.isStore == isStore }
        log.append(request)
        return request
      }
      guard answer(request, connection) else { return }
    }
  }

  /// Sends an answer.
  ///
  /// - Returns: Whether the connection goes on.
  private func answer(_ request: HubRequest, _ connection: Int32) -> Bool {
    let fault = fault(request)
    var answer = request.isStore ? storeAnswer(request) : endpointAnswer(request)
    var cut: Int?
    var pause: Double?
    switch fault {
    case .status(let status, let headers):
      answer = Answer(status: status, headers: headers, body: Array("[]".utf8))
    case .wholeFile: answer = storeAnswer(request, ignoresRange: true)
    case .shifted(let count): answer = storeAnswer(request, shift: count)
    case .tag(let tag): answer.headers["ETag"] = "\"\(tag)\""
    case .body(let body): answer.body = body
    case .cut(let count): cut = count
    case .drip(let seconds): pause = seconds
    case .endless(let status):
      answer = storeAnswer(request, ignoresRange: status == 200)
      return sendEndless(answer, connection, request)
    case .silence(let seconds): Thread.sleep(forTimeInterval: seconds)
    case nil: break
    }
    answer.headers["Content-Length"] = "\(answer.body.count)"
    guard sendHead(answer, connection) else { return false }
    if let cut {
      _ = sendBody(Array(answer.body.prefix(cut)), connection, request)
      return false
    }
    if let pause {
      for byte in answer.body {
        guard sendBody([byte], connection, request) else { return false }
        Thread.sleep(forTimeInterval: pause)
      }
      return true
    }
    return sendBody(answer.body, connection, request)
  }

  private func sendHead(_ answer: Answer, _ connection: Int32) -> Bool {
    var head = "HTTP/1.1 \(answer.status) Status\r\n"
    for (name, value) in answer.headers { head += "\(name): \(value)\r\n" }
    return send(Array((head + "\r\n").utf8), connection)
  }

  /// Sends 256 MiB, which is as good as no end where a few bytes were asked for, or less when the other side closes.
  private func sendEndless(_ answer: Answer, _ connection: Int32, _ request: HubRequest) -> Bool {
    var answer = answer
    answer.headers["Connection"] = "close"
    guard sendHead(answer, connection) else { return false }
    let step = [UInt8](repeating: 1, count: 64 << 10)
    for _ in 0..<4096 { guard sendBody(step, connection, request) else { break } }
    return false
  }

  private func sendBody(_ bytes: [UInt8], _ connection: Int32, _ request: HubRequest) -> Bool {
    if request.isStore { sent.withLock { $0 += bytes.count } }
    return send(bytes, connection)
  }

  private func send(_ bytes: [UInt8], _ connection: Int32) -> Bool {
    var done = 0
    while done < bytes.count {
      let got = bytes.withUnsafeBytes {
        systemSend(connection, UnsafeRawBufferPointer(rebasing: $0[done...]))
      }
      guard got > 0 else { return false }
      done += got
    }
    return true
  }
}

/// `listen` under a name that members do not hide.
private func systemListen(_ descriptor: Int32, _ backlog: Int32) -> Int32 { listen(descriptor, backlog) }

private func systemSend(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  #if canImport(Glibc)
    send(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
  #else
    send(descriptor, bytes.baseAddress, bytes.count, 0)
  #endif
}

// The same constants are numbers on one system and enumerations on the other.
extension Int32 { fileprivate var number: Int32 { self } }
#if canImport(Glibc)
  extension __socket_type { fileprivate var number: Int32 { Int32(rawValue) } }
#endif
extension Int { fileprivate var number: Int32 { Int32(self) } }
