using Lathe.Contracts;

namespace Lathe.Hosting.Tests;

public sealed class HostingSettingsTests
{
    private static HostingSettings Load(string[] args, params (string Name, string Value)[] environment) =>
        HostingSettings.Load(args, name => environment.FirstOrDefault(v => v.Name == name).Value);

    [Fact]
    public void Without_anything_set_everything_lies_in_one_folder_on_the_in_memory_bus()
    {
        var settings = Load([]);
        Assert.Equal(Path.GetFullPath(".lathe"), settings.Home);
        Assert.Equal(Path.Combine(settings.Home, "checkpoints"), settings.Store);
        Assert.Null(settings.Broker);
        Assert.Equal((CpuBudget.OfProcess, null), (settings.Threads, settings.ComputeSlots));
        Assert.Equal((1, CpuBudget.OfProcess), (settings.SlotsFor(settings.Threads), settings.SlotsFor(1)));
    }

    [Fact]
    public void Threads_and_slots_are_as_many_as_the_process_may_use_CPUs_whatever_the_machine_has()
    {
        foreach (var cpus in (int[])[1, 96])
        {
            var settings = HostingSettings.Load([], _ => null, cpus);
            Assert.Equal((cpus, 1, cpus), (settings.Threads, settings.SlotsFor(settings.Threads), settings.SlotsFor(1)));
            Assert.Equal(3, HostingSettings.Load(["--threads", "3"], _ => null, cpus).Threads);
            Assert.Equal(cpus, (HostingSettings.In("/tmp/h") with { Cpus = cpus }).Threads);
            Assert.StartsWith(cpus == 1 ? "1 CPU, 1 thread for one computation at a time" : "96 CPUs, 96 threads for one ", Doctor.Processors(settings).Message, StringComparison.Ordinal);
            Assert.Equal(cpus == 96, Doctor.Processors(settings with { Threads = 2 }).Ok);
        }
    }

    [Fact]
    public void An_option_wins_over_the_environment()
    {
        var settings = Load(["--threads", "3", "--home=/tmp/h", "--announce"], ("LATHE_THREADS", "5"), ("LATHE_DRAIN", "1.5"), ("LATHE_STORE", "/tmp/s"));
        Assert.Equal(3, settings.Threads);
        Assert.Equal("/tmp/h", settings.Home);
        Assert.Equal("/tmp/s", settings.Store);
        Assert.Equal(TimeSpan.FromSeconds(1.5), settings.Drain);
        Assert.True(settings.AnnounceOnly);
    }

    [Theory]
    [InlineData("LATHE_ONEDNN", "on", "LATHE_ONEDNN is 'on'; expected auto or off")]
    [InlineData("LATHE_THREADS", "0", "LATHE_THREADS is '0'; expected a whole number from 1 to 1024")]
    [InlineData("LATHE_COMPUTE_SLOTS", "two", "LATHE_COMPUTE_SLOTS is 'two'; expected a whole number from 1 to 1024")]
    [InlineData("LATHE_DEVICE", "gpu", "LATHE_DEVICE is 'gpu'; expected auto, cpu, cuda or cuda:N with N the number of a GPU from 0")]
    [InlineData("LATHE_DEVICE", "cuda:-1", "LATHE_DEVICE is 'cuda:-1'; expected auto, cpu, cuda or cuda:N with N the number of a GPU from 0")]
    [InlineData("LATHE_DRAIN", "-1", "LATHE_DRAIN is '-1'; expected a number of seconds above 0 and at most 86400")]
    [InlineData("LATHE_HEALTH_PORT", "70000", "LATHE_HEALTH_PORT is '70000'; expected a whole number from 0 to 65535")]
    [InlineData("LATHE_HOME", "/etc/passwd", "LATHE_HOME is '/etc/passwd', which is a file; expected a folder")]
    public void A_value_that_cannot_be_used_is_named_with_its_variable(string variable, string value, string message) =>
        Assert.Equal(message, Assert.Throws<LatheException>(() => Load([], (variable, value))).Message);

    [Fact]
    public void A_wrong_command_line_is_refused_by_name()
    {
        Assert.StartsWith("unknown option '--brokr' (did you mean '--broker'?); known are --home, --store, ", Refusal("--brokr", "x"), StringComparison.Ordinal);
        Assert.StartsWith("unknown option 'run'; known are ", Refusal("--threads", "2", "run"), StringComparison.Ordinal);
        Assert.Equal("--home needs a value", Refusal("--home"));
        Assert.Equal("--home needs a value", Refusal("--home", " "));
        Assert.Equal("--home is given twice", Refusal("--home", "a", "--home=b"));
        Assert.StartsWith("unknown option 'yes'", Refusal("--announce=yes"), StringComparison.Ordinal);
        Assert.Equal("--threads is 'two'; expected a whole number from 1 to 1024", Refusal("--threads", "two"));

        string Refusal(params string[] args) => Assert.Throws<LatheException>(() => Load(args)).Message;
    }

    [Theory]
    [InlineData(null, "auto")]
    [InlineData("cpu", "cpu")]
    [InlineData("cuda", "cuda:0")]
    [InlineData("CUDA:3", "cuda:3")]
    public void A_device_is_said_as_in_PyTorch(string? said, string understood) =>
        Assert.Equal(understood, Load(said is null ? [] : ["--device", said]).Device.ToString());

    [Theory]
    [InlineData("amqp://user:secret@host:5673/v%2Fhost", "amqp://user@host:5673/v%2Fhost")]
    [InlineData("amqps://user:secret@host", "amqps://user@host:5671/")]
    [InlineData("amqp://host/", "amqp://guest@host:5672/")]
    public void A_broker_is_shown_without_its_password(string address, string shown)
    {
        var settings = Load([], ("LATHE_BROKER", address));
        Assert.Equal(shown, settings.Broker!.ToString());
        Assert.DoesNotContain("secret", settings.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_broken_address_is_refused_without_repeating_it()
    {
        var error = Assert.Throws<LatheException>(() => Load([], ("LATHE_BROKER", "http://user:secret@host")));
        Assert.StartsWith("LATHE_BROKER is not a broker's address", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }
}
