import FileBytes

/// Short names for columns, each used once.
struct LabelMaker {
  private var used: Set<String> = []

  /// A name made of a path's last part.
  mutating func label(_ path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    var name = FileSystem.name(of: path)
    if name == "." || name == ".." || name.isEmpty { name = FileSystem.name(of: FileSystem.resolved(path)) }
    for ending in [".gguf", "-00001-of-00002", ".safetensors"] where name.hasSuffix(ending) {
      name.removeLast(ending.count)
    }
    var label = name
    var number = 2
    while !used.insert(label).inserted {
      label = "\(name) (\(number))"
      number += 1
    }
    return label
  }
}
