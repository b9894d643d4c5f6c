import FileBytes
import Foundation
import HubAccess
import TestSupport
import Testing

@Suite("What a hub may not do, and what it refuses")
struct HubRefusalTests {
  /// A fault and what it leads to.
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var code: HubErrorCode
    /// A text in the message.
    var text: String
    var fault: @Sendable (HubRequest) -> HubFault?
  }

  static let cases: [Case] = [
    Case(testDescription: "no such repository", code: .noRepository, text: "HF_TOKEN") { _ in
      .status(401, ["X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"])
    },
    Case(testDescription: "a licence", code: .gated, text: "accept its licence") {
      $0.path.contains("resolve") ? .status(403, ["X-Error-Code": "GatedRepo"]) : nil
    },
    Case(testDescription: "a bad token", code: .unauthorized, text: "make a new token") { _ in
      .status(401, [:])
    },
    Case(testDescription: "a file that is gone", code: .noFile, text: "config.json") {
      $0.path.contains("config.json") ? .status(404, ["X-Error-Code": "EntryNotFound"]) : nil
    },
    Case(testDescription: "no ranges", code: .badAnswer, text: "status 200") {
      $0.isStore ? .wholeFile : nil
    },
    Case(testDescription: "another range", code: .badAnswer, text: "Content-Range") {
      $0.isStore ? .shifted(by: 1) : nil
    },
    Case(testDescription: "another tag", code: .changed, text: "ETag other") {
      $0.isWeights && $0.earlierCount > 0 ? .tag("other") : nil
    },
    Case(testDescription: "another commit", code: .changed, text: "commit 123") {
      $0.path.hasSuffix(".safetensors")
        ? .status(302, ["X-Repo-Commit": "123", "Location": "/api/models/x/revision/y"]) : nil
    },
    Case(testDescription: "redirects without an end", code: .badAnswer, text: "redirects") {
      .status(302, ["Location": $0.path])
    },
    Case(testDescription: "a redirect to nowhere", code: .badAnswer, text: "Location: file:///etc") {
      $0.path.contains("resolve") ? .status(302, ["Location": "file:///etc/passwd"]) : nil
    },
    Case(testDescription: "an answer that never comes", code: .unreachable, text: "status 503") { _ in
      .status(503, [:])
    },
    Case(testDescription: "a wait too long", code: .unreachable, text: "wait 600 s") {
      $0.isStore ? .status(429, ["Retry-After": "600"]) : nil
    },
    Case(testDescription: "a wait until a day far away", code: .unreachable, text: "the wish to wait") {
      $0.isStore ? .status(429, ["Retry-After": "Fri, 01 Jan 2199 00:00:00 GMT"]) : nil
    },
    Case(testDescription: "no JSON", code: .badAnswer, text: "JSON") { _ in .body(Array("<html>".utf8)) },
    Case(testDescription: "deep JSON", code: .badAnswer, text: "JSON") { _ in
      .body([UInt8](repeating: UInt8(ascii: "["), count: 1_000_000))
    },
    Case(testDescription: "a gigantic list", code: .tooLarge, text: "at most 33554432 bytes") {
      $0.path.contains("/tree/") ? .body([UInt8](repeating: 32, count: 34 << 20)) : nil
    },
    Case(testDescription: "pages at another host", code: .badAnswer, text: "at the hub itself") {
      $0.path.contains("/tree/")
        ? .status(200, ["Link": "<http://127.0.0.2/next>; rel=\"next\"", "X-Empty": "1"]) : nil
    },
    Case(testDescription: "a changed text", code: .wrongHash, text: "config.json") {
      $0.path.hasSuffix("/config.json") ? .body(Array("{}".utf8)) : nil
    },
  ]

  @Test("refusals name the file, what was wrong and what to do", arguments: cases)
  func refusal(_ tried: Case) throws {
    let hub = try HubFixture(tried.fault)
    let error = #expect(throws: HubError.self) {
      let model = try hub.open()
      defer { model.close() }
      _ = try hub.differences(model)
    }
    #expect(error?.code == tried.code, "\(error?.fault.description ?? "")")
    let text = error?.fault.description ?? ""
    #expect(text.contains(tried.text), "\(text)")
    #expect(!text.contains("hf_secret") && !text.contains("Signature"))
    #expect(hub.server.requests.allSatisfy { !$0.isStore || $0.authorization == nil })
  }

  @Test(
    "bytes that nobody asked for are not waited for",
    arguments: [(200, "status 200"), (206, "more than these")])
  func endless(_ status: Int, _ text: String) throws {
    let hub = try HubFixture { $0.isWeights ? .endless(status: status) : nil }
    let error = #expect(throws: HubError.self) { try hub.open() }
    #expect(error?.code == .badAnswer && error?.fault.description.contains(text) == true)
    // What the system's buffers hold on the way, for each of the connections.
    #expect(hub.server.sentByteCount < 64 << 20, "\(hub.server.sentByteCount) bytes")
  }

  @Test func offline() throws {
    let hub = try HubFixture()
    for variable in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
      let error = #expect(throws: HubError.self) { try hub.open(environment: [variable: "on"]) }
      #expect(error?.code == .offline && error?.fault.found.contains(variable) == true)
    }
    #expect(hub.server.requests.isEmpty)
  }

  @Test func revisions() throws {
    let hub = try HubFixture()
    let error = #expect(throws: HubError.self) { try hub.open(HubServer.repository + "@v9") }
    #expect(error?.code == .noRevision)
    try hub.open(HubServer.repository + "@" + hub.server.commit).close()
  }

  @Test("tokens come from the places that the hub's own programs know")
  func tokens() throws {
    let hub = try HubFixture()
    func seen(_ environment: [String: String]) throws -> String? {
      let count = hub.server.requests.count
      try hub.open(environment: environment).close()
      return hub.server.requests[count].authorization
    }
    #expect(try seen(["HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "b"]) == "Bearer b")
    #expect(try seen(["HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]) == nil)
    #expect(try seen(["HF_TOKEN": ""]) == nil)
    let file = try hub.folder.write("token", Array("from-file\n".utf8))
    #expect(try seen(["HF_TOKEN": "", "HF_TOKEN_PATH": file]) == "Bearer from-file")
    let error = #expect(throws: HubError.self) { try hub.open(environment: ["HF_ENDPOINT": "ftp://x"]) }
    #expect(error?.code == .badSetting)
  }

  @Test("names in a list do not lead out of the folder")
  func paths() throws {
    let hub = try HubFixture { request in
      guard request.path.contains("/tree/") else { return nil }
      let oid = String(repeating: "a", count: 40)
      let names = ["../../evil.json", "/etc/evil.json", "a/b/c.json", ".hidden.json", "pytorch_model.bin"]
      let list = names.map { #"{"type":"file","path":"\#($0)","size":3,"oid":"\#(oid)"}"# }
      return .body(Array("[\(list.joined(separator: ","))]".utf8))
    }
    let model = try hub.open()
    #expect(
      FileSystem.contents(of: model.path).sorted() == ["additional_chat_templates", "pytorch_model.bin"])
    model.close()
  }
}
