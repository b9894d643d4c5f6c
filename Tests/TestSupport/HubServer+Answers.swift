internal import Foundation

extension HubServer {
  /// An answer before it is sent.
  struct Answer {
    var status: Int
    var headers: [String: String]
    var body: [UInt8]
  }

  /// Files on one page of the list.
  private static let pageCount = 2

  /// What the endpoint says: the commit, the list in pages, small files, and where large ones are.
  func endpointAnswer(_ request: HubRequest) -> Answer {
    let base = "/api/models/\(Self.repository)"
    if request.path == base + "/revision/main" || request.path == base + "/revision/\(commit)" {
      return json(["id": Self.repository, "sha": commit])
    }
    if request.path.hasPrefix(base + "/revision/") {
      return Answer(status: 404, headers: ["X-Error-Code": "RevisionNotFound"], body: [])
    }
    if request.path.hasPrefix(base + "/tree/\(commit)?recursive=true") {
      let start = request.path.split(separator: "=").last.flatMap { Int($0) } ?? 0
      let page = files[start...].prefix(Self.pageCount).map { name, file -> [String: Any] in
        var entry: [String: Any] = [
          "type": "file", "path": name, "size": file.bytes.count, "oid": file.gitHash,
        ]
        if file.isLarge {
          entry["lfs"] = ["oid": file.sha256, "size": file.bytes.count, "pointerSize": 134]
        }
        return entry
      }
      var answer = json([["type": "directory", "path": "figures", "oid": commit, "size": 0]] + page)
      if start + Self.pageCount < files.count {
        let next = "\(endpoint)\(base)/tree/\(commit)?recursive=true&cursor=\(start + Self.pageCount)"
        answer.headers["Link"] = "<\(next)>; rel=\"next\""
      }
      return answer
    }
    let prefix = "/\(Self.repository)/resolve/\(commit)/"
    guard request.path.hasPrefix(prefix) else {
      return Answer(status: 401, headers: ["X-Error-Code": "RepoNotFound"], body: [])
    }
    let name = String(request.path.dropFirst(prefix.count))
    guard let file = files.first(where: { $0.name == name })?.file else {
      return Answer(status: 404, headers: ["X-Error-Code": "EntryNotFound"], body: [])
    }
    var headers = ["X-Repo-Commit": commit]
    guard file.isLarge else {
      headers["ETag"] = "\"\(file.gitHash)\""
      return Answer(status: 200, headers: headers, body: file.bytes)
    }
    headers["X-Linked-Etag"] = "\"\(file.sha256)\""
    headers["X-Linked-Size"] = "\(file.bytes.count)"
    headers["Location"] = "http://127.0.0.1:\(ports[1])/\(name)?Signature=\(request.earlierCount)"
    return Answer(status: 302, headers: headers, body: [])
  }

  /// What the store says: a range of a file.
  func storeAnswer(_ request: HubRequest, ignoresRange: Bool = false, shift: Int = 0) -> Answer {
    let name = String(request.path.dropFirst().prefix { $0 != "?" })
    guard let file = files.first(where: { $0.name == name })?.file else {
      return Answer(status: 404, headers: [:], body: [])
    }
    var headers = ["ETag": "\"\(file.sha256.prefix(32))\""]
    guard let range = request.range, !ignoresRange else {
      return Answer(status: 200, headers: headers, body: file.bytes)
    }
    let first = range.lowerBound + shift
    let last = min(range.upperBound + shift, file.bytes.count - 1)
    headers["Content-Range"] = "bytes \(first)-\(last)/\(file.bytes.count)"
    return Answer(status: 206, headers: headers, body: Array(file.bytes[first...last]))
  }

  private func json(_ value: Any) -> Answer {
    Answer(
      status: 200, headers: ["Content-Type": "application/json"],
      body: [UInt8]((try? JSONSerialization.data(withJSONObject: value)) ?? Data()))
  }
}
