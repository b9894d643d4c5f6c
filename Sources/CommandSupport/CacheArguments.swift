internal import ArgumentParser
package import TensorTypes

/// The flags for the types of keys and values that Pouch's runtime caches, named as llama.cpp's.
package struct CacheArguments: ParsableArguments {
  /// The type of keys.
  @Option(
    name: [.customLong("ctk", withSingleDash: true), .customLong("cache-type-k")],
    help: ArgumentHelp(
      "Type of cached keys: \(Self.names).",
      discussion:
        "Rows of 32 values per head are rounded as llama.cpp rounds them; Pouch's own memory is that of f32, or of f16 for both."
    ))
  package var keyType = "f32"

  /// The type of values.
  @Option(
    name: [.customLong("ctv", withSingleDash: true), .customLong("cache-type-v")],
    help: "Type of cached values.")
  package var valueType = "f32"

  /// Creates default arguments, as the parser needs.
  package init() {}

  /// The types.
  ///
  /// - Throws: ``UsageError`` for a type that caches do not have.
  package func types() throws -> (key: TensorType, value: TensorType) {
    (try Self.type(keyType, flag: "--cache-type-k"), try Self.type(valueType, flag: "--cache-type-v"))
  }

  /// A type of caches.
  ///
  /// - Parameters:
  ///   - text: Its name.
  ///   - flag: The flag that it was given to.
  /// - Returns: The type.
  /// - Throws: ``UsageError`` for a type that caches do not have.
  package static func type(_ text: String, flag: String) throws -> TensorType {
    guard let type = TensorType(name: text), TensorType.cacheTypes.contains(type) else {
      throw UsageError(flag, expected: "one of " + names, found: text)
    }
    return type
  }

  private static var names: String { TensorType.cacheTypes.map(\.name).joined(separator: ", ") }
}
