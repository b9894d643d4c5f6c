internal import CZstd
internal import FileBytes
internal import Foundation

/// Compression in one go and to files, for samples and tests.
package enum ZstdWriter {
  /// Compresses `bytes` into one frame that declares its size.
  ///
  /// - Parameters:
  ///   - bytes: Any bytes.
  ///   - level: The compression level, 1 to 22.
  /// - Returns: The frame.
  /// - Throws: ``ZstdError`` with `badSetting` or `noMemory`.
  package static func compress(_ bytes: [UInt8], level: Int = 3) throws(ZstdError) -> [UInt8] {
    guard (1...22).contains(level) else {
      throw ZstdError(.badSetting, Fault(expected: "a compression level from 1 to 22", found: "\(level)"))
    }
    let bound = ZSTD_compressBound(bytes.count)
    var status = 0
    let result = [UInt8](unsafeUninitializedCapacity: bound) { output, initialized in
      status = bytes.withUnsafeBytes {
        ZSTD_compress(output.baseAddress, bound, $0.baseAddress, $0.count, Int32(level))
      }
      initialized = ZSTD_isError(status) == 0 ? status : 0
    }
    guard ZSTD_isError(status) == 0 else {
      throw ZstdError(
        .noMemory, Fault(expected: "a compressed copy", found: String(cString: ZSTD_getErrorName(status))))
    }
    return result
  }

  /// Compresses the file at `source` piece by piece into a new file at `destination`.
  ///
  /// The frame declares the size and carries a checksum; memory does not depend on the size.
  ///
  /// - Parameters:
  ///   - source: The file to compress.
  ///   - destination: Where the result goes; an existing file is replaced.
  ///   - level: The compression level, 1 to 22.
  /// - Throws: `FileError` when `source` cannot be read, ``ZstdError`` otherwise.
  package static func compressFile(_ source: String, to destination: String, level: Int = 3) throws {
    let file = try ReadableFile(path: source)
    guard (1...22).contains(level) else {
      throw ZstdError(.badSetting, Fault(expected: "a compression level from 1 to 22", found: "\(level)"))
    }
    guard let context = ZSTD_createCCtx() else {
      throw ZstdError(.noMemory, Fault(file: source, expected: "memory for a compressor", found: "none"))
    }
    defer { ZSTD_freeCCtx(context) }
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level))
    _ = ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    _ = ZSTD_CCtx_setPledgedSrcSize(context, UInt64(file.byteCount))
    guard FileManager.default.createFile(atPath: destination, contents: nil),
      let handle = FileHandle(forWritingAtPath: destination)
    else {
      throw ZstdError(
        .cannotWrite, Fault(file: destination, expected: "a writable file", found: "no permission"))
    }
    defer { try? handle.close() }

    let output = UnsafeMutableRawBufferPointer.allocate(byteCount: ZSTD_CStreamOutSize(), alignment: 16)
    defer { output.deallocate() }
    var offset = 0
    var isDone = false
    while !isDone {
      let piece = try file.bytes(at: offset, count: min(1 << 20, file.byteCount - offset))
      offset += piece.count
      let isLast = offset == file.byteCount
      try piece.withUnsafeBytes { bytes in
        var source = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var left = 1
        while source.pos < source.size || (isLast && left != 0) {
          var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
          left = ZSTD_compressStream2(context, &target, &source, isLast ? ZSTD_e_end : ZSTD_e_continue)
          guard ZSTD_isError(left) == 0 else {
            throw ZstdError(
              .noMemory,
              Fault(
                file: destination, expected: "compressed data",
                found: String(cString: ZSTD_getErrorName(left))))
          }
          try write(UnsafeRawBufferPointer(rebasing: output[..<target.pos]), handle, destination)
        }
      }
      isDone = isLast
    }
  }

  private static func write(
    _ bytes: UnsafeRawBufferPointer, _ handle: FileHandle, _ path: String
  ) throws(ZstdError) {
    do {
      try handle.write(contentsOf: Data(bytes))
    } catch {
      throw ZstdError(.cannotWrite, Fault(file: path, expected: "room for the file", found: "\(error)"))
    }
  }
}
