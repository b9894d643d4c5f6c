internal import FileBytes
internal import TensorTypes

/// The built-in recipes, and recipes from files.
package enum RecipeLibrary {
  /// How many recipes may stand on each other.
  private static let maxChainLength = 8

  /// The names of the built-in recipes, sorted.
  package static var names: [String] { embedded.keys.sorted() }

  /// The text of a built-in recipe; `nil` without one of this name.
  package static func text(named name: String) -> [UInt8]? { embedded[name] }

  /// Loads a recipe.
  ///
  /// - Parameter nameOrPath: The name of a built-in recipe without regard to case, or a path: anything that holds
  ///   a slash or ends in `.yaml` or `.yml`.
  /// - Returns: The recipe with the rules of everything that it stands on.
  /// - Throws: ``RecipeError`` with `unknownRecipe` for a name, a `recipe…` code for a file; `FileError` for one
  ///   that cannot be read.
  package static func recipe(_ nameOrPath: String) throws -> Recipe {
    let source: Source
    if isPath(nameOrPath) {
      source = .file(nameOrPath)
    } else if embedded[nameOrPath.lowercased()] != nil {
      source = .builtIn(nameOrPath.lowercased())
    } else {
      let near = nearestNames(to: nameOrPath.lowercased(), among: names, count: 1, limit: 4)
      var remedy = near.first.map { "did you mean \($0)?" } ?? "a path needs a slash or .yaml at its end"
      let files = [nameOrPath, nameOrPath + ".yaml", nameOrPath + ".yml"]
      if let file = files.first(where: { FileSystem.kind(of: $0) == .file }) {
        remedy = "write ./\(file) for the file"
      }
      throw RecipeError(
        .unknownRecipe,
        Fault(
          subject: nameOrPath, expected: "a file, or one of " + names.joined(separator: ", "),
          found: "\"\(nameOrPath)\"", remedy: remedy))
    }
    return try recipe(source)
  }

  /// Loads a recipe whose text is at hand, such as one that is about to be written.
  ///
  /// - Parameters:
  ///   - text: The bytes of the file.
  ///   - file: The path that it has or will have; a base with a relative path is looked for beside it.
  /// - Returns: The recipe with the rules of everything that it stands on.
  /// - Throws: As ``recipe(_:)``.
  package static func recipe(text: [UInt8], file: String) throws -> Recipe {
    try recipe(.text(text, file: file))
  }

  private static func recipe(_ source: Source) throws -> Recipe {
    var chain: [(draft: RecipeDraft, origin: Recipe.Origin)] = []
    try load(source, into: &chain, ids: [], namedAt: "")
    return assemble(chain)
  }

  private enum Source {
    case builtIn(String)
    case file(String)
    case text([UInt8], file: String)
  }

  static func isPath(_ text: String) -> Bool {
    text.contains("/") || text.lowercased().hasSuffix(".yaml") || text.lowercased().hasSuffix(".yml")
  }

  /// Loads a recipe and everything that it stands on.
  private static func load(
    _ source: Source, into chain: inout [(draft: RecipeDraft, origin: Recipe.Origin)], ids: [String],
    namedAt place: String
  ) throws {
    let id: String
    let file: String
    let bytes: [UInt8]
    switch source {
    case .builtIn(let name):
      (id, file, bytes) = ("built-in \(name)", "\(name).yaml", embedded[name] ?? [])
    case .text(let text, let path): (id, file, bytes) = (FileSystem.resolved(path), path, text)
    case .file(let path):
      id = FileSystem.resolved(path)
      file = path
      guard !ids.contains(id) else {
        let names = chain.map(\.draft.name).joined(separator: " stands on ")
        throw RecipeError(
          .recipeBaseCycle,
          Fault(
            file: place, subject: "base", expected: "a base that ends at a stock mix",
            found: "a circle: \(names) stands on \(path)", remedy: "name a stock mix as base in one of them"))
      }
      bytes = try read(path, namedAt: place)
    }
    guard ids.count < maxChainLength else {
      throw RecipeError(
        .recipeBaseCycle,
        Fault(
          file: place, subject: "base", expected: "at most \(maxChainLength) recipes on each other",
          found: "more", remedy: "join some of them into one file"))
    }
    let draft = try RecipeParser.parse(bytes, file: file)
    let isBuiltIn = embedded[draft.name] == bytes
    if !isBuiltIn {
      try refuseTakenName(draft, file: file, chain: chain)
    }
    let hash = bytes.withUnsafeBytes { XXHash64.hash($0) }
    chain.append(
      (draft, Recipe.Origin(name: draft.name, file: file, isBuiltIn: isBuiltIn, hash: hash)))
    guard let base = draft.base else { return }
    try load(
      try self.source(base.name, besides: file, line: base.line), into: &chain, ids: ids + [id],
      namedAt: "\(file):\(base.line)")
  }

  private static func source(_ base: String, besides file: String, line: Int) throws -> Source {
    if isPath(base) {
      return .file(base.hasPrefix("/") ? base : FileSystem.folder(of: file) + "/" + base)
    }
    guard embedded[base] == nil else { return .builtIn(base) }
    let near = nearestNames(to: base.lowercased(), among: names, count: 1, limit: 4)
    throw RecipeError(
      .recipeBaseUnknown,
      Fault(
        file: "\(file):\(line)", subject: "base",
        expected: "a path, or one of " + names.joined(separator: ", "),
        found: "\"\(base)\"",
        remedy: near.first.map { "did you mean \($0)?" } ?? "a path needs a slash or .yaml at its end"))
  }

  private static func read(_ path: String, namedAt place: String) throws -> [UInt8] {
    do {
      let file = try ReadableFile(path: path)
      guard file.byteCount <= RecipeDocument.maxByteCount else {
        throw RecipeDocument.tooLarge(file.byteCount, file: path)
      }
      return try file.bytes(at: 0, count: file.byteCount)
    } catch let error as FileError where !place.isEmpty && error.faultClass == .rejected {
      throw RecipeError(
        .recipeBaseUnknown,
        Fault(
          file: place, subject: "base", expected: "a recipe file at \(path)", found: error.fault.found,
          remedy: "paths are relative to the file that names them"))
    }
  }

  private static func refuseTakenName(
    _ draft: RecipeDraft, file: String, chain: [(draft: RecipeDraft, origin: Recipe.Origin)]
  ) throws {
    let other = chain.first { $0.draft.name == draft.name }?.origin.file
    guard other != nil || embedded[draft.name] != nil else { return }
    throw RecipeError(
      .recipeNameTaken,
      Fault(
        file: "\(file):\(draft.nameLine)", subject: "name", expected: "a name of its own",
        found: "\(draft.name), the name of \(other ?? "a built-in recipe")", remedy: "choose another name"))
  }

  private static func assemble(_ chain: [(draft: RecipeDraft, origin: Recipe.Origin)]) -> Recipe {
    let drafts = chain.map(\.draft)
    let root = drafts.last
    return Recipe(
      name: drafts.first?.name ?? "", description: drafts.first?.description ?? "",
      importanceUse: drafts.lazy.compactMap(\.importanceUse).first ?? .optional,
      rules: drafts.flatMap(\.rules), defaultType: root?.defaultType ?? .f16,
      stockMix: root?.stockMix ?? .f16, origins: chain.map(\.origin),
      provenance: drafts.first?.provenance ?? [:])
  }
}
