using Lathe.Testing;

namespace Lathe.EndToEnd.Tests;

/// <summary>The commands of docs/kubernetes.md that need no cluster, as they are written: what would be applied is rendered, and what would be made is made as a dry run.</summary>
public sealed class The_Kubernetes_page
{
    [Theory]
    [InlineData("## 2. What Lathe stands on", "secretKeyRef:", "name: lathe-dev", "image: lathe/coordinator:0.1.0", "claimName: lathe-data")]
    [InlineData("## 3. Secrets", "LATHE_API_KEY:", "RABBITMQ_HTTP:", "name: lathe-secrets")]
    [InlineData("## 5. Lathe", "image: registry.example.org/lathe/worker-cuda:0.1.0", "image: \"registry.example.org/lathe/worker-cuda:0.1.0\"", "s3://my-bucket/store")]
    public void Shows_commands_that_run_as_they_are_written(string heading, params string[] made)
    {
        var blocks = Blocks(heading);
        Assert.NotEmpty(blocks);
        using var folder = new RenderedFiles();
        var root = Path.GetDirectoryName(folder.Write("mark", ""))!;
        var (code, output, errors) = Manifests.Run("bash", "-c", $$"""
            set -euo pipefail
            mkdir '{{root}}/copy' && cp -r '{{Path.Combine(Checkout.Root, "deploy")}}' '{{root}}/copy' && cd '{{root}}/copy'
            registry=registry.example.org/lathe
            kubectl() {
              case "$*" in
                "apply -k "*) '{{Manifests.Tool("kubectl")}}' kustomize "$3" ;;
                "apply -f -") cat ;;
                *create*) '{{Manifests.Tool("kubectl")}}' "$@" --dry-run=client --output yaml ;;
                *" wait "* | *" rollout "* | *" cp "* | *" delete "* | "label "*) ;;
                *) '{{Manifests.Tool("kubectl")}}' "$@" ;;
              esac
            }
            helm() { [ "$1" = install ] && shift && '{{Manifests.Tool("helm")}}' template "$@"; }
            {{string.Join('\n', blocks)}}
            """);
        Assert.True(code == 0, errors);
        Assert.All(made, words => Assert.Contains(words, output, StringComparison.Ordinal));
    }

    /// <summary>The blocks of commands under a heading.</summary>
    private static IReadOnlyList<string> Blocks(string heading)
    {
        var page = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "kubernetes.md"));
        var section = page[(page.IndexOf(heading + "\n", StringComparison.Ordinal) + heading.Length)..].Split("\n## ")[0];
        return [.. section.Split("```sh\n").Skip(1).Select(block => block.Split("```")[0])];
    }
}
