/// What the path of a model's folder says about the model.
///
/// A folder's own name is the model's name, as the user wrote it: links keep theirs. Two cases need a look at where
/// the folder really is: `.` and `..`, and a snapshot in a Hugging Face cache
/// (`…/models--org--name/snapshots/<commit>`), whose own name is a commit.
package struct ModelFolder: Hashable, Sendable {
  /// The folder as given.
  package let path: String
  /// The last part of the path, that of the real one for `.` and `..`; empty for the root.
  package let name: String
  /// `org/name` when the folder goes by the name of a snapshot in a Hugging Face cache.
  package let hubRepository: String?
  /// Whether the folder really lies in a snapshot of a Hugging Face cache, whatever it is called here.
  package let isInHubCache: Bool

  /// Looks at a path; the folder need not exist.
  package init(_ path: String) {
    self.path = path
    func parts(_ path: String) -> [String] {
      path.split(separator: "/").map(String.init).filter { $0 != "." }
    }
    let real = parts(FileSystem.resolved(path.isEmpty ? "." : path))
    let given = parts(path).last
    let isNamed = given != nil && given != ".."
    name = isNamed ? given ?? "" : real.last ?? ""
    let place = real.lastIndex { Self.repository(cacheFolder: $0) != nil }
    let isSnapshot = place.map { $0 + 2 < real.count && real[$0 + 1] == "snapshots" } ?? false
    isInHubCache = isSnapshot
    if isSnapshot, let place, place + 3 == real.count, name == real.last {
      hubRepository = Self.repository(cacheFolder: real[place])
    } else {
      hubRepository = nil
    }
  }

  /// The name that stands for the model: that of the repository for a snapshot, else the folder's own.
  package var modelName: String {
    hubRepository.map { String($0.split(separator: "/").last ?? "") } ?? name
  }

  /// `org/name` for the name `models--org--name` of a cache's folder; `nil` for other names.
  package static func repository(cacheFolder name: String) -> String? {
    let prefix = "models--"
    guard name.hasPrefix(prefix), name.utf8.count > prefix.utf8.count else { return nil }
    let id = String(name.dropFirst(prefix.count))
    guard let mark = id.firstRange(of: "--") else { return id }
    return id[..<mark.lowerBound] + "/" + id[mark.upperBound...]
  }
}
