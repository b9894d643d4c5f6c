internal import FileBytes
internal import Yams

/// Takes values out of the tree of a recipe file, with errors that name the line.
struct RecipeFields {
  /// The file as it is named in messages.
  let file: String

  /// The line of a node, from 1.
  func line(_ node: Node) -> Int { node.mark?.line ?? 1 }

  /// An error about a node.
  func fault(
    _ code: RecipeError.Code, _ node: Node, _ subject: String, _ expected: String, _ found: String,
    _ remedy: String = ""
  ) -> RecipeError {
    RecipeError(
      code,
      Fault(
        file: "\(file):\(line(node))", subject: subject, expected: expected, found: found,
        remedy: remedy.isEmpty ? RecipeDocument.remedy : remedy))
  }

  /// An error about a name that does not exist, with the nearest one that does.
  func unknown(
    _ code: RecipeError.Code, _ node: Node, _ subject: String, _ found: String, among names: [String]
  ) -> RecipeError {
    let near = nearestNames(
      to: found.lowercased(), among: names.map { $0.lowercased() }, count: 1,
      limit: min(4, found.utf8.count / 2))
    let name = near.first.flatMap { near in names.first { $0.lowercased() == near } }
    return fault(
      code, node, subject, "one of " + names.joined(separator: ", "), "\"\(found.prefix(100))\"",
      name.map { "did you mean \($0)?" } ?? "")
  }

  /// What a node is, in words.
  func kind(_ node: Node) -> String {
    switch node {
    case .scalar(let scalar): scalar.string.isEmpty ? "nothing" : "\"\(scalar.string.prefix(100))\""
    case .sequence: "a list"
    case .mapping: "keys and values"
    case .alias: "a reference"
    }
  }

  /// The values of a mapping by their keys, all of which must be known.
  func mapping(_ node: Node, keys: [String], what: String) throws -> [String: Node] {
    guard case .mapping(let pairs) = node else {
      throw fault(.recipeValue, node, what, "keys and values, such as \(keys[0]): …", kind(node))
    }
    guard !pairs.isEmpty else {
      throw fault(.recipeValue, node, what, "keys and values, such as \(keys[0]): …", "nothing")
    }
    var result: [String: Node] = [:]
    for (key, value) in pairs {
      guard case .scalar(let scalar) = key, keys.contains(scalar.string) else {
        throw unknown(.recipeKeyUnknown, key, what, key.scalar?.string ?? kind(key), among: keys)
      }
      result[scalar.string] = value
    }
    return result
  }

  /// The value of a key that must be there.
  func required(_ key: String, of map: [String: Node], in node: Node) throws -> Node {
    guard let value = map[key] else {
      throw fault(.recipeKeyMissing, node, key, "the key \(key)", "none")
    }
    return value
  }

  /// A text on one line; line ends become spaces.
  func text(_ node: Node, _ key: String, limit: Int) throws -> String {
    guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
      throw fault(.recipeValue, node, key, "a text", kind(node))
    }
    let words = scalar.string.split { $0.isNewline }.joined(separator: " ")
    guard words.utf8.count <= limit else {
      throw fault(
        .recipeValue, node, key, "a text of at most \(limit) bytes", "\(words.utf8.count) bytes",
        "make it shorter; comments can hold the rest")
    }
    return words
  }

  /// `true` or `false`.
  func flag(_ node: Node, _ key: String) throws -> Bool {
    try choice(node, key, [("true", true), ("false", false)])
  }

  /// One of several words.
  func choice<Value>(_ node: Node, _ key: String, _ choices: [(name: String, value: Value)]) throws -> Value {
    let text = try text(node, key, limit: 100)
    guard let found = choices.first(where: { $0.name == text }) else {
      throw unknown(.recipeValue, node, key, text, among: choices.map(\.name))
    }
    return found.value
  }

  /// One text or a list of texts, without repetition, each with its node.
  func list(_ node: Node, _ key: String) throws -> [(text: String, node: Node)] {
    guard case .sequence(let items) = node else { return [(try text(node, key, limit: 100), node)] }
    guard !items.isEmpty, items.count <= 256 else {
      throw fault(.recipeValue, node, key, "from 1 to 256 items", "\(items.count)")
    }
    var seen = Set<String>()
    return try items.map { item in
      let text = try text(item, key, limit: 100)
      guard seen.insert(text).inserted else {
        throw fault(.recipeKeyDuplicate, item, key, "each item once", "\(text) again", "keep one of them")
      }
      return (text, item)
    }
  }
}
