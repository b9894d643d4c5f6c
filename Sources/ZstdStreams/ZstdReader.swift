internal import CZstd
internal import FileBytes

/// Reads the decompressed bytes of a zstd file from start to end.
///
/// A file is one or more frames, skippable frames included; they are read as one
/// stream. Memory is the library's window (bounded by `maximumWindowLog`) and one input
/// buffer of 128 KB.
///
/// One thread at a time may use a reader. Any number of readers may be used at the same
/// time by different threads, also on the same file.
package final class ZstdReader: ByteStream {
  /// The largest window that a file may ask for by default: 2^27 bytes, the limit of the `zstd` tool.
  package static let defaultMaximumWindowLog = 27

  /// The path as given.
  package let path: String
  /// The decompressed size of the first frame, if its header tells; for files of one frame the total.
  package let declaredByteCount: Int?
  /// How many decompressed bytes have been handed out.
  package private(set) var position = 0
  /// The size of the compressed file.
  package var storedByteCount: Int { file.byteCount }

  private let file: ReadableFile
  private let context: OpaquePointer
  private let input: UnsafeMutableRawBufferPointer
  /// The unread part of `input`.
  private var inputRange = 0..<0
  /// Where the next piece of input is in the file.
  private var filePosition = 0
  /// True between frames, where the file may end.
  private var isAtFrameEnd = false
  /// True when the library may hold output that did not fit the last buffer.
  private var mayHoldOutput = false

  /// Opens `path`.
  ///
  /// - Parameters:
  ///   - path: A zstd file.
  ///   - maximumWindowLog: The base-2 logarithm of the largest window a frame may ask for, 10 to 31.
  /// - Throws: `FileError` when the file cannot be read; ``ZstdError`` with `truncated` for a file without any
  ///   byte, `corrupt` when it does not start with a zstd frame, `badSetting`, `noMemory`.
  package init(path: String, maximumWindowLog: Int = ZstdReader.defaultMaximumWindowLog) throws {
    let file = try ReadableFile(path: path)
    // Magic, frame header: 18 bytes at most.
    let prefix = try file.bytes(at: 0, count: min(18, file.byteCount))
    self.declaredByteCount = try Self.declaredByteCount(prefix, path)
    guard let context = ZSTD_createDCtx() else {
      throw ZstdError(.noMemory, Fault(file: path, expected: "memory for a decompressor", found: "none"))
    }
    let status = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Int32(clamping: maximumWindowLog))
    guard ZSTD_isError(status) == 0 else {
      ZSTD_freeDCtx(context)
      throw ZstdError(
        .badSetting,
        Fault(file: path, expected: "a window limit of 10 to 31 bits", found: "\(maximumWindowLog)"))
    }
    self.path = path
    self.file = file
    self.context = context
    input = .allocate(byteCount: ZSTD_DStreamInSize(), alignment: 16)
  }

  deinit {
    ZSTD_freeDCtx(context)
    input.deallocate()
  }

  /// Reads up to `buffer.count` decompressed bytes and returns how many; 0 only at the end (or for an empty buffer).
  ///
  /// - Throws: ``ZstdError`` with `corrupt`, `truncated` or `windowTooLarge`; `FileError` when reading fails.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    guard buffer.count > 0 else { return 0 }
    var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while output.pos < output.size {
      if inputRange.isEmpty, !mayHoldOutput {
        guard try refill() else {
          guard isAtFrameEnd else { throw truncated() }
          break
        }
      }
      var source = ZSTD_inBuffer(
        src: input.baseAddress, size: inputRange.upperBound, pos: inputRange.lowerBound)
      let status = ZSTD_decompressStream(context, &output, &source)
      guard ZSTD_isError(status) == 0 else { throw failure(status) }
      inputRange = source.pos..<inputRange.upperBound
      isAtFrameEnd = status == 0
      mayHoldOutput = output.pos == output.size && !isAtFrameEnd
    }
    position += output.pos
    return output.pos
  }

  /// Moves forward over `count` decompressed bytes.
  ///
  /// - Throws: ``ZstdError`` as ``read(into:)``, and `truncated` when the stream ends first.
  package func skip(_ count: Int) throws {
    var left = count
    try withUnsafeTemporaryAllocation(byteCount: 1 << 16, alignment: 16) { scratch in
      while left > 0 {
        let got = try read(
          into: UnsafeMutableRawBufferPointer(rebasing: scratch[..<min(left, scratch.count)]))
        if got == 0 {
          throw ZstdError(
            .truncated,
            Fault(
              file: path, expected: "\(left) more bytes after decompression", found: "the end at \(position)",
              remedy: "the file is incomplete; fetch it again"))
        }
        left -= got
      }
    }
  }

  /// Reads the next piece of the file; false at its end.
  private func refill() throws -> Bool {
    let count = min(input.count, file.byteCount - filePosition)
    guard count > 0 else { return false }
    try file.read(at: filePosition, into: UnsafeMutableRawBufferPointer(rebasing: input[..<count]))
    filePosition += count
    inputRange = 0..<count
    return true
  }

  private func truncated() -> ZstdError {
    ZstdError(
      .truncated,
      Fault(
        file: path, expected: "the rest of a zstd frame", found: "the end of the file at \(file.byteCount)",
        remedy: "the file is incomplete; fetch it again"))
  }

  private func failure(_ status: Int) -> ZstdError {
    let text = String(cString: ZSTD_getErrorName(status))
    let place = "near byte \(filePosition - inputRange.count) of \(file.byteCount)"
    // The stable header gives names, not codes.
    if text.contains("too much memory") {
      return ZstdError(
        .windowTooLarge,
        Fault(
          file: path, expected: "a frame within the window limit", found: "a larger window, \(place)",
          remedy: "compress it again without --long"))
    }
    return ZstdError(
      .corrupt,
      Fault(
        file: path, expected: "valid zstd data", found: "\"\(text)\" \(place)",
        remedy: "the file is damaged; fetch it again"))
  }

  /// Reads the size from the first frame's header.
  private static func declaredByteCount(_ prefix: [UInt8], _ path: String) throws(ZstdError) -> Int? {
    guard !prefix.isEmpty else {
      throw ZstdError(
        .truncated,
        Fault(
          file: path, expected: "a zstd frame", found: "an empty file",
          remedy: "the file is incomplete; fetch it again"))
    }
    // Little-endian magic 0xFD2FB528, or 0x184D2A50...0x184D2A5F for a skippable frame.
    let magic = prefix.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    if prefix.count >= 4, magic & 0xFFFF_FFF0 == 0x184D_2A50 { return nil }
    guard prefix.count < 4 || magic == 0xFD2F_B528 else {
      throw ZstdError(
        .corrupt,
        Fault(
          file: path, expected: "a file that starts with 28 B5 2F FD (zstd)",
          found: "0x" + String(magic.byteSwapped, radix: 16, uppercase: true),
          remedy: "this is not a zstd file"))
    }
    let size = prefix.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
    // The two largest values mean "unknown" and "error"; reading reports the latter.
    return size < UInt64.max - 1 ? Int(exactly: size) : nil
  }
}
