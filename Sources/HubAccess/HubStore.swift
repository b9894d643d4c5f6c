internal import Crypto
internal import FileBytes
internal import Foundation

/// Fetches a whole model into the cache that the hub's programs share, in their layout.
///
/// A file grows as `blobs/<hash>.incomplete` from front to back, so that what is there counts after a kill, for these
/// programs too; it gets its name when its hash is right.
struct HubStore {
  let cache: HubCache
  let name: HubName
  let tree: HubTree
  let client: HubClient
  /// Called with the bytes done and those of all files.
  let onProgress: (_ done: Int, _ total: Int) -> Void

  private var place: String {
    cache.folder + "/models--" + name.repository.replacing("/", with: "--")
  }

  /// Fetches what is missing and links the snapshot.
  ///
  /// - Parameter entries: The files.
  /// - Returns: The folder of the snapshot.
  /// - Throws: ``HubError``, `FileError`.
  func fill(_ entries: [HubTree.Entry]) throws -> String {
    let snapshot = "\(place)/snapshots/\(tree.commit)"
    try HubFolder.create(place + "/blobs")
    try HubFolder.create(place + "/refs")
    try HubFolder.create(snapshot)
    let missing = entries.filter {
      cache.path(of: $0, repository: name.repository, commit: tree.commit) == nil
    }
    try refuseFullDisk(missing)
    let total = missing.reduce(0) { $0 + $1.byteCount }
    let fetcher = HubFetcher(totalByteCount: total, connectionCount: client.settings.connectionCount)
    var done = 0
    for entry in missing {
      let file = HubFile(entry, of: name, commit: tree.commit, client: client, fetcher: fetcher)
      try fetch(file) { count in
        done += count
        onProgress(done, total)
      }
    }
    for entry in entries { try link(entry, in: snapshot) }
    if !HubTree.isHex(name.revision, 40) {
      let ref = "\(place)/refs/\(name.revision)"
      try HubFolder.create(FileSystem.folder(of: ref))
      try HubFolder.write(Array(tree.commit.utf8), to: ref)
    }
    return snapshot
  }

  private func refuseFullDisk(_ entries: [HubTree.Entry]) throws {
    let needed = entries.reduce(0) {
      $0 + max(0, $1.byteCount - FileSystem.allocatedByteCount(of: "\(place)/blobs/\($1.tag).incomplete"))
    }
    guard let free = FileSystem.freeByteCount(near: place + "/blobs"), free < needed + 1 << 20 else { return }
    throw FileError(
      .diskFull,
      Fault(
        file: place, subject: "\(.keepsSource)", expected: "\(needed) bytes free", found: "\(free)",
        remedy: "free some space, set HF_HUB_CACHE to another disk, or convert without \(.keepsSource)"))
  }

  private func fetch(_ file: HubFile, onBytes: (Int) -> Void) throws {
    let blob = "\(place)/blobs/\(file.entry.tag)"
    guard file.entry.sha256 != nil else {
      let bytes = try file.whole()
      try HubFolder.write(bytes, to: blob + ".incomplete")
      try FileSystem.rename(blob + ".incomplete", to: blob)
      return onBytes(bytes.count)
    }
    // The file's own lock; that of the hub's programs is a file beside, which they take as well.
    let locks = "\(cache.folder)/.locks/models--" + name.repository.replacing("/", with: "--")
    try HubFolder.create(locks)
    let lock = try WritableFile(path: "\(locks)/\(file.entry.tag).lock", mode: .keep)
    guard lock.tryLock() else {
      throw FileError(
        .cannotWrite,
        Fault(
          file: blob, expected: "no other program that fetches it", found: "one that is still going on",
          remedy: "wait for it, then run the same command again"))
    }
    let partial = try WritableFile(path: blob + ".incomplete", mode: .keep)
    var hash = SHA256()
    var end = 0
    let known = partial.currentByteCount()
    if known <= file.byteCount {
      var step = [UInt8](repeating: 0, count: 1 << 20)
      while end < known {
        let count = min(step.count, known - end)
        let isRead = try step.withUnsafeMutableBytes {
          try partial.read(at: end, into: UnsafeMutableRawBufferPointer(rebasing: $0[0..<count]))
        }
        guard isRead else { break }
        hash.update(data: step[0..<count])
        end += count
      }
      onBytes(end)
    }
    try partial.truncate(to: end)
    try file.readThrough(from: end) { bytes in
      try partial.write(bytes, at: end)
      hash.update(bufferPointer: bytes)
      end += bytes.count
      onBytes(bytes.count)
    }
    let found = hash.finalize().hexadecimal()
    guard found == file.entry.tag else {
      FileSystem.remove(blob + ".incomplete")
      throw HubError(
        .wrongHash,
        Fault(
          file: file.subject, expected: "SHA-256 \(file.entry.tag), as the hub states", found: found,
          remedy: "run the same command again; if it happens again, a mirror or proxy damages the file"))
    }
    try partial.synchronize()
    try FileSystem.rename(blob + ".incomplete", to: blob)
  }

  private func link(_ entry: HubTree.Entry, in snapshot: String) throws {
    let path = snapshot + "/" + entry.path
    guard FileSystem.kind(of: path) == .missing else { return }
    FileSystem.remove(path)
    try HubFolder.create(FileSystem.folder(of: path))
    let up = String(repeating: "../", count: 1 + entry.path.split(separator: "/").count)
    try HubFolder.link(path, to: "\(up)blobs/\(entry.tag)")
  }
}
