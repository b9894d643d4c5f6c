/// The name of a recipe in the characters that it may have.
enum RecipeName {
  static func of(_ text: String) -> String {
    let allowed = "abcdefghijklmnopqrstuvwxyz0123456789_-."
    let name = String(text.lowercased().map { allowed.contains($0) ? $0 : "-" })
    let start = name.drop { "-._".contains($0) }
    // What tells budgets apart stands at the end.
    return String((start.isEmpty ? "tuned" : start).suffix(64).drop { "-._".contains($0) })
  }
}
