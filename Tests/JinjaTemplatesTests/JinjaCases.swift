import Foundation
import JinjaTemplates

/// Templates with the texts that Jinja makes of them, as `scripts/conformance-templates.py` writes them.
struct JinjaCases {
  enum Problem: Error { case format }

  struct Template {
    var name: String
    var source: String
    /// The text for each setting; `nil` where Jinja raises.
    var texts: [String?]
  }

  var variables: [String: JinjaValue] = [:]
  var snippets: [(source: String, text: String?)] = []
  var settings: [[String: JinjaValue]] = []
  var templates: [Template] = []

  init(contentsOf url: URL) throws {
    guard let file = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any],
      let snippets = file["snippets"] as? [[Any]], let templates = file["templates"] as? [[String: Any]],
      let talks = file["talks"] as? [[Any]], let variables = file["variables"]
    else { throw Problem.format }
    self.variables = try Self.members(variables)
    self.snippets = try snippets.map { pair in
      guard pair.count == 2, let source = pair[0] as? String else { throw Problem.format }
      return (source, pair[1] as? String)
    }
    settings = try talks.flatMap { try $0.map(Self.members) }
    self.templates = try templates.map { entry in
      guard let name = entry["name"] as? String, let source = entry["template"] as? String,
        let texts = entry["texts"] as? [Any], let places = entry["places"] as? [Int],
        places.count == settings.count
      else { throw Problem.format }
      return Template(name: name, source: source, texts: places.map { texts[$0] as? String })
    }
  }

  private static func members(_ any: Any) throws -> [String: JinjaValue] {
    guard case .object(let members) = try value(any) else { throw Problem.format }
    return Dictionary(members.map { ($0.key, $0.value) }) { _, last in last }
  }

  private static func value(_ any: Any) throws -> JinjaValue {
    switch any {
    case is NSNull: return .null
    case let text as String: return .string(text)
    case let items as [Any]: return .array(try items.map(value))
    case let wrapper as [String: Any]:
      guard let pairs = wrapper["object"] as? [[Any]] else { throw Problem.format }
      return .object(
        try pairs.map { pair in
          guard pair.count == 2, let key = pair[0] as? String else { throw Problem.format }
          return JinjaValue.Member(key, try value(pair[1]))
        })
    case let number as NSNumber:
      switch String(cString: number.objCType) {
      case "c", "B": return .bool(number.boolValue)
      case "d", "f": return .number(number.doubleValue)
      default: return .integer(number.intValue)
      }
    default: throw Problem.format
    }
  }

  /// What rendering gives, and why it fails if it does.
  static func outcome(_ source: String, _ variables: [String: JinjaValue]) -> Result<String, TemplateError> {
    Result { () throws(TemplateError) in try JinjaTemplate(source).render(variables) }
  }

  /// One line about two texts that should be equal.
  static func difference(_ want: String?, _ found: Result<String, TemplateError>) -> String? {
    switch (want, found) {
    case (nil, .failure): return nil
    case (nil, .success(let text)): return "Jinja raises, found \(text.prefix(200).debugDescription)"
    case (let want?, .failure(let error)):
      return "expected \(want.prefix(200).debugDescription), found the error \(error)"
    case (let want?, .success(let text)):
      let (a, b) = (Array(want.utf8), Array(text.utf8))
      if a == b { return nil }
      let place = zip(a, b).enumerated().first { $1.0 != $1.1 }?.offset ?? min(a.count, b.count)
      func part(_ bytes: [UInt8]) -> String {
        String(decoding: bytes[max(0, place - 40)..<min(bytes.count, place + 40)], as: UTF8.self)
          .debugDescription
      }
      return "byte \(place): expected \(part(a)), found \(part(b))"
    }
  }
}
