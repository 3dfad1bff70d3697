using Lathe.Benchmarks.Engine;

namespace Lathe.Benchmarks.Inference;

/// <summary>What <c>inference</c> measures.</summary>
/// <param name="Models">Networks of the zoo, for images of their usual size.</param>
/// <param name="Bits">Of weights.</param>
/// <param name="Threads">CPU threads of each way.</param>
internal sealed record InferenceOptions(IReadOnlyList<string> Models, int Bits, int Threads)
{
    /// <exception cref="Contracts.LatheException">A switch is unknown or its value unusable.</exception>
    public static InferenceOptions Parse(IReadOnlyList<string> words)
    {
        var switches = new Switches("inference", words);
        var options = new InferenceOptions(
            (switches.Text("models") ?? "lenet5,vgg7,resnet20").Split(','), switches.Number("bits", 2, least: 2), switches.Number("threads", 1));
        switches.RefuseOthers("--models, --bits and --threads");
        return options;
    }
}
