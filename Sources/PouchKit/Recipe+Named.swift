public import QuantRecipes

extension Recipe {
  /// A recipe that is part of the library: every stock mix, such as `q4_k_m`, and those that Pouch adds.
  ///
  /// - Parameter name: The name, without regard to case, or the path of a YAML file, which holds a slash or ends in
  ///   `.yaml`.
  /// - Returns: The recipe, with the rules of those that it stands on.
  /// - Throws: `RecipeError`, naming the nearest recipe; `FileError`.
  public static func named(_ name: String) throws -> Recipe { try RecipeLibrary.recipe(name) }

  /// The names of all recipes that are part of the library.
  public static var allNames: [String] { RecipeLibrary.names }
}
