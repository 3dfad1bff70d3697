using Lathe.Contracts;
using Lathe.Graph;
using Lathe.NN.Execution;
using Lathe.NN.Runtime;
using Lathe.NN.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Lathe.NN.Tests.Runtime;

public class DeviceTests
{
    public DeviceTests() => TorchRuntime.Configure(1);

    [Fact]
    public void The_CPU_is_always_there()
    {
        Assert.Equal(DeviceType.CPU, Devices.Find(new ComputeDevice(DeviceKind.Cpu)).type);
        var setup = ComputeSetup.Of(1, new ComputeDevice(DeviceKind.Cpu));
        Assert.Equal((DeviceType.CPU, Precision.Float32), (setup.Device.type, setup.Precision));
        Assert.DoesNotContain("device", setup.Versions().Keys);
    }

    [Fact]
    public void A_GPU_that_is_not_there_is_refused_with_what_to_do()
    {
        var missing = HasGpu ? new ComputeDevice(DeviceKind.Cuda, 99) : new ComputeDevice(DeviceKind.Cuda);
        var fault = Assert.Throws<LatheException>(() => Devices.Find(missing));
        Assert.StartsWith($"The device is {missing}, and ", fault.Message, StringComparison.Ordinal);
        // A worker on another machine may have it.
        Assert.Equal(FailureKind.Elsewhere, fault.Kind);
        if (!HasGpu)
            Assert.Contains("--device cpu", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>libtorch's "meta" device computes shapes alone (of convolutions and batch norms not even those), and refuses a tensor of another device as a GPU would.</summary>
    [Fact]
    public void A_network_computes_on_its_own_device()
    {
        var builder = new GraphBuilder("perceptron", new TensorShape(1, 4, 4));
        builder.Flatten("flat");
        builder.Linear("fc1", 8);
        builder.Activation("silu", ActivationKind.Silu);
        builder.Dropout("drop");
        builder.Linear("fc2", 3);
        using var scope = NewDisposeScope();
        using var module = GraphModule.Create(builder.Build(), 1, new Device(DeviceType.META));
        var logits = module.Forward(zeros(2, 1, 4, 4), training: true, dropout: CounterRandom.For(1, "dropout"));
        Assert.Equal(DeviceType.META, logits.device_type);
        logits.sum().backward();
        Assert.All(module.Parameters.Values, parameter => Assert.Equal(DeviceType.META, parameter.grad!.device_type));
    }

    [Fact]
    public void Training_on_a_GPU_comes_close_to_training_on_the_CPU()
    {
        Assert.SkipUnless(HasGpu, "there is no GPU here that this libtorch can use");
        var recipe = new TrainingRecipe(4, 16, 0.05, AverageDecay: 0.9, GradientClip: 1);
        var losses = new List<double>();
        foreach (var device in (Device[])[CPU, Devices.Find(new ComputeDevice(DeviceKind.Cuda))])
        {
            using var module = GraphModule.Create(Samples.Network(), 1, device);
            losses.Add(TrainingLoop.Run(module, Samples.Images(), recipe, 1, null, null, null, CancellationToken.None).Epochs[^1].Loss);
        }

        Assert.InRange(losses[1], losses[0] * 0.95, losses[0] * 1.05);
    }

    private static bool HasGpu => Devices.Find(default).type == DeviceType.CUDA;
}
