# A Homebrew formula. To install what lies in a checkout: brew install --HEAD --formula ./scripts/packages/pouch.rb
class Pouch < Formula
  desc "Quantizes mixture-of-experts checkpoints to GGUF, tells memory beforehand, measures what is lost"
  homepage "file://#{File.expand_path("../..", __dir__)}"
  license "Apache-2.0"
  head "file://#{File.expand_path("../..", __dir__)}", using: :git, branch: "main"

  depends_on "pkgconf" => :build
  depends_on xcode: ["26.0", :build]
  depends_on "librsvg"
  depends_on macos: :tahoe
  depends_on "zstd"

  def install
    system "swift", "build", "--disable-sandbox", "-c", "release"
    with_env(SKIP_BUILD: "1") { system "scripts/install", prefix }
  end

  test do
    assert_match "pouch-estimate", shell_output("#{bin}/pouch-estimate --help")
    assert_match "fits", shell_output("#{bin}/pouch-estimate qwen3.6-35b-a3b -c 32768 --machine macbook-32")
  end
end
