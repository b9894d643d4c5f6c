internal import FileBytes
package import Foundation

/// How a hub is reached, as the environment says it; the names are those of the hub's own programs.
///
/// The token is kept here alone: nothing prints or stores it, and it goes to the endpoint's own host only.
package struct HubSettings: Sendable {
  /// The base of all addresses, without a slash at its end.
  package let endpoint: URL
  /// What proves who asks; `nil` for anonymous requests.
  let token: String?
  /// The variable that forbids the network; `nil` when none does.
  package let offlineVariable: String?
  /// Seconds without any byte after which an answer counts as lost.
  package var timeout: Double
  /// The same for the commit and the list of its files.
  package var listTimeout: Double
  /// The certificates that are trusted; those of the system when `nil`.
  let certificates: Certificates?
  /// How requests are repeated.
  package var retries = RetryPolicy()
  /// Connections that are open at the same time.
  package var connectionCount = 8

  /// Reads the environment.
  ///
  /// - Parameter environment: Variables; those of this process when `nil`.
  /// - Throws: ``HubError`` with `badSetting` for an endpoint that is no address.
  package init(environment: [String: String]? = nil) throws {
    let environment = environment ?? ProcessInfo.processInfo.environment
    func value(_ name: String) -> String? {
      let text = environment[name]?.trimmingCharacters(in: .whitespacesAndNewlines)
      return text.flatMap { $0.isEmpty ? nil : $0 }
    }
    func isSet(_ name: String) -> Bool {
      ["1", "ON", "YES", "TRUE"].contains(value(name)?.uppercased() ?? "")
    }
    let text = value("HF_ENDPOINT") ?? "https://huggingface.co"
    guard let url = URL(string: text.hasSuffix("/") ? String(text.dropLast()) : text),
      ["http", "https"].contains(url.scheme?.lowercased()), url.host != nil
    else {
      throw HubError(
        .badSetting,
        Fault(subject: "HF_ENDPOINT", expected: "an address such as https://huggingface.co", found: text))
    }
    endpoint = url
    offlineVariable = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].first(where: isSet)
    func seconds(_ name: String) -> Double? {
      value(name).flatMap(Double.init).map { min(max($0, 1), 3600) }
    }
    timeout = seconds("HF_HUB_DOWNLOAD_TIMEOUT") ?? 10
    listTimeout = seconds("HF_HUB_ETAG_TIMEOUT") ?? timeout
    certificates = Certificates.variables.lazy.compactMap(value).first.map(Certificates.init)
    token =
      isSet("HF_HUB_DISABLE_IMPLICIT_TOKEN")
      ? nil
      : value("HF_TOKEN") ?? value("HUGGING_FACE_HUB_TOKEN")
        ?? Self.token(
          inFile: value("HF_TOKEN_PATH") ?? HubCache.home(environment: environment).map { $0 + "/token" })
  }

  /// Certificates in place of the system's.
  struct Certificates: Sendable {
    /// A file with all of them; `nil` for a folder.
    let file: String?
    /// A folder of files that are named by their hashes; `nil` for a file.
    let folder: String?

    init(_ path: String) {
      let isFolder = FileSystem.kind(of: path) == .folder
      (file, folder) = isFolder ? (nil, path) : (path, nil)
    }

    /// The variables that name them, the first one first.
    static let variables = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
  }

  private static func token(inFile path: String?) -> String? {
    guard let path, let bytes = try? ReadableFile.contents(of: path, limit: 4096) else { return nil }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    return text.isEmpty || text.contains(where: \.isNewline) ? nil : text
  }

  /// Whether an address is one of the endpoint's own host, which may see the token.
  func isEndpoint(_ url: URL) -> Bool {
    url.scheme?.lowercased() == endpoint.scheme?.lowercased()
      && url.host?.lowercased() == endpoint.host?.lowercased() && url.port == endpoint.port
  }
}

/// How often and when requests are repeated.
package struct RetryPolicy: Sendable {
  /// Attempts without any progress.
  package var attemptCount = 8
  /// Attempts of the first request, whose failure mostly means that there is no network.
  package var firstAttemptCount = 3
  /// Seconds before the second attempt; doubled each time.
  package var firstDelay = 0.5
  /// The most seconds between attempts.
  package var longestDelay = 30.0
  /// The most seconds that a hub may ask to wait.
  package var longestAskedDelay = 300.0
  /// An answer that is slower than this many bytes per second, over twice the timeout, is begun anew.
  package var slowestRate = 1024.0

  package init() {}

  /// Seconds before the attempt after `failures` failed ones.
  func delay(after failures: Int) -> Double {
    let base = min(longestDelay, firstDelay * pow(2, Double(failures - 1)))
    return base * Double.random(in: 0.8...1.2)
  }
}
