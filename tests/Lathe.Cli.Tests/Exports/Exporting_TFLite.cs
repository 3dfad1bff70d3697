using Lathe.Contracts;
using Lathe.Exports;
using Lathe.Exports.TfLite;
using Lathe.Graph;
using Lathe.Graph.Models;
using Lathe.NN.Execution;
using Lathe.NN.FixedPoint;
using Lathe.NN.Runtime;
using Lathe.NN.Tests.FixedPoint;
using Lathe.Testing;

namespace Lathe.Cli.Tests.Exports;

/// <summary>What a TFLite file says is what the network computes.</summary>
public sealed class Exporting_TFLite
{
    private static readonly IReadOnlyDictionary<string, string> NoMetadata = new Dictionary<string, string>();

    public Exporting_TFLite() => TorchRuntime.Configure(1);

    /// <summary>With weights of 8 bits, every bias is a whole number of steps after the stage quantize, so that nothing is lost at all.</summary>
    [Theory]
    [InlineData("lenet5", 1, 28, 2)]
    [InlineData("lenet5", 1, 28, 8)]
    [InlineData("resnet20@0.5", 3, 16, 3)]
    [InlineData("mobilenetv2@0.2", 3, 40, 4)]
    [InlineData("densenet76-12@0.5", 3, 12, 7)]
    public void Read_back_it_gives_the_bits_of_the_engine(string model, int channels, int side, int bits)
    {
        using var network = QuantizedNetwork.Of(Zoo.Build(model, new TensorShape(channels, side, side), 10), 1, bits, evenly: true);
        RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
        var compiled = network.Compile();
        var file = TfLiteConversion.Of(compiled, isHalfBytes: false, model, NoMetadata);
        Assert.Equal(0, file.LostOfBias, 1e-4);
        Assert.Equal(Logits(compiled, network), Logits(TfLiteReading.Read(file.Content, TieRounding.Even), network));
    }

    [Theory]
    [InlineData("lenet5", 1, 28, 2)]
    [InlineData("resnet20@0.5", 3, 16, 4)]
    [InlineData("mobilenetv2@0.2", 3, 40, 3)]
    public void Weights_of_half_a_byte_make_a_smaller_file_of_nearly_the_same_logits(string model, int channels, int side, int bits)
    {
        using var network = QuantizedNetwork.Of(Zoo.Build(model, new TensorShape(channels, side, side), 10), 1, bits, evenly: true);
        RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
        var compiled = network.Compile();
        var (whole, half) = (TfLiteConversion.Of(compiled, false, model, NoMetadata), TfLiteConversion.Of(compiled, true, model, NoMetadata));
        var halved = compiled.Steps.OfType<MultiplyStep>().Where(step => step.Output >= 0 && step.Shape.Groups == 1).ToArray();
        Assert.Equal(halved.Sum(step => step.Levels.Length) / 2, whole.Content.Length - half.Content.Length, 16.0 * half.Layers);
        Assert.Equal(halved.Length, half.Halved);
        Assert.Equal(new Version(2, 11, 0), half.MinimumRuntime);
        using var module = GraphModule.FromTensors(network.Graph, network.Tensors);
        var agreement = TfLiteAgreement.Measure(TfLiteReading.Read(half.Content, TieRounding.Even), module, [QuantizedNetwork.Inputs(network.Graph, 1)], threads: 1);
        Assert.True(agreement.LargestDifference <= 0.1 * agreement.LargestLogit, agreement.ToString());
    }

    [Fact]
    public void Networks_of_every_operation_are_written_or_refused_by_name()
    {
        var written = 0;
        for (var seed = 0; seed < 60; seed++)
        {
            using var network = QuantizedNetwork.Of(RandomNetworks.Small.Example(seed), seed, bits: 2 + (seed % 6), evenly: true);
            RoundingTies.Avoid(network.Graph, network.Tensors, network.Formats);
            var compiled = network.Compile();
            TfLiteFile file;
            try
            {
                file = TfLiteConversion.Of(compiled, isHalfBytes: false, "random", NoMetadata);
            }
            catch (LatheException refused)
            {
                Assert.Contains("'", refused.Message, StringComparison.Ordinal);
                Assert.Contains(";", refused.Message, StringComparison.Ordinal);
                TestContext.Current.TestOutputHelper?.WriteLine($"{seed}: {refused.Message}");
                continue;
            }

            written++;
            Assert.Equal(Logits(compiled, network), Logits(TfLiteReading.Read(file.Content, TieRounding.Even), network));
        }

        Assert.True(written >= 25, $"{written} of 60 networks are written");
    }

    private static int[] Logits(FixedPointNetwork compiled, QuantizedNetwork network)
    {
        var bytes = network.Bytes(compiled, 1);
        var length = compiled.Tensors[compiled.Input].Length;
        using var engine = new FixedPointEngine(compiled);
        var logits = new int[bytes.Length / length * compiled.Classes];
        engine.Run(bytes, logits);
        return Array.ConvertAll(logits, logit => logit << (16 - compiled.LogitFraction));
    }
}
