using System.Runtime.Intrinsics.X86;
using Lathe.Contracts;
using Lathe.NN.Runtime;

namespace Lathe.NN.Tests.Runtime;

[Trait("oneDNN", "on and off")]
public class Right_numbers_on_every_machine
{
    private const uint AmdCaches = 0x8000_001D;

    // Registers as machines answered: EAX of the caches' leaf by subleaf.
    private static readonly uint[] Level1And2 = [0x21, 0x22, 0x43, 0x163];
    private static readonly uint[] NoLevel2 = [0x21, 0x22];
    private static readonly uint[] NoLevel3 = [0x21, 0x22, 0x43];

    public Right_numbers_on_every_machine() => TorchRuntime.Configure(2);

    [Fact]
    public void This_machine_s_caches_are_hidden_exactly_where_the_system_sees_none()
    {
        Assert.SkipUnless(X86Base.IsSupported && OperatingSystem.IsLinux(), "the question is of x86 processors on Linux");
        Assert.Equal(!File.Exists("/sys/devices/system/cpu/cpu0/cache/index0/size"), ProcessorCaches.AreHidden());
    }

    public static TheoryData<string, uint, uint, uint[], bool> Machines => new()
    {
        { "AuthenticAMD", AmdCaches, 0x8000_0028, Level1And2, false },
        { "AuthenticAMD", AmdCaches, 0x8000_0028, NoLevel3, false },
        { "AuthenticAMD", AmdCaches, 0x8000_0028, NoLevel2, true },
        { "AuthenticAMD", AmdCaches, 0x8000_0028, [0, 0, 0, 0], true },
        { "AuthenticAMD", AmdCaches, 0x8000_0008, Level1And2, true },
        { "HygonGenuine", AmdCaches, 0x8000_0028, [0, 0, 0, 0], true },
        { "GenuineIntel", 4, 0x1F, Level1And2, false },
        { "GenuineIntel", 4, 0x1F, NoLevel2, true },
        { "GenuineIntel", 4, 0x1F, [0, 0, 0, 0], true },
        { "GenuineIntel", 4, 2, Level1And2, true },
    };

    [Theory]
    [MemberData(nameof(Machines))]
    public void A_processor_that_reports_no_first_or_second_level_hides_its_caches(string vendor, uint leaf, uint last, uint[] caches, bool hidden)
    {
        Assert.Equal(hidden, ProcessorCaches.AreHidden((asked, subleaf) => asked switch
        {
            0 => new CpuIdAnswer(vendor == "GenuineIntel" ? last : 0x10, Word(vendor, 0), Word(vendor, 8), Word(vendor, 4)),
            0x8000_0000 => new CpuIdAnswer(last, 0, 0, 0),
            _ when asked == leaf && subleaf < caches.Length => new CpuIdAnswer(caches[subleaf], 0, 0, 0),
            _ => default,
        }));

        static uint Word(string name, int at) => BitConverter.ToUInt32(System.Text.Encoding.ASCII.GetBytes(name), at);
    }

    [Fact]
    public void The_setting_decides_before_the_processor_is_asked()
    {
        Assert.False(OneDnn.Decide("off", () => throw new InvalidOperationException("not asked")).IsOn);
        Assert.True(OneDnn.Decide(null, () => false).IsOn);
        Assert.Equal((true, false), (OneDnn.Decide("Auto", () => false).IsOn, OneDnn.Decide(" auto ", () => false).IsFault));
        Assert.Equal((false, true), (OneDnn.Decide("", () => true).IsOn, OneDnn.Decide("auto", () => true).IsFault));
        Assert.Equal("LATHE_ONEDNN is 'on'; expected auto or off", Assert.Throws<LatheException>(() => OneDnn.Decide("on", () => false)).Message);
    }

    public static TheoryData<string, Precision> Cases
    {
        get
        {
            var cases = new TheoryData<string, Precision>();
            foreach (var precision in (Precision[])[Precision.Float32, Precision.Bfloat16])
            {
                foreach (var c in ArithmeticCheck.Cases(precision))
                    cases.Add(c.ToString(), precision);
            }

            return cases;
        }
    }

    /// <summary>Half of a tenth of the largest value is less than every fault seen.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Each_case_of_the_check_is_right_here_and_fails_when_one_sum_is_disturbed(string name, Precision precision)
    {
        var c = ArithmeticCheck.Cases(precision).Single(c => c.ToString() == name);
        var expected = ArithmeticCheck.ByPlainSums(c);
        var computed = ArithmeticCheck.ByLibtorch(c);
        Assert.Null(ArithmeticCheck.Compare(c, computed, expected));
        foreach (var (what, sums) in ((string, double[])[])[("output", expected.Output), ("gradient of the input", expected.InputGradient), ("gradient of the weights", expected.WeightGradient)])
        {
            var at = sums.Length / 3;
            var right = sums[at];
            foreach (var wrong in (double[])[right + (0.05 * sums.Max(Math.Abs)), double.NaN])
            {
                sums[at] = wrong;
                Assert.StartsWith($"{name}: the {what} is off by", ArithmeticCheck.Compare(c, computed, expected), StringComparison.Ordinal);
            }

            sums[at] = right;
        }
    }

    [Fact]
    public void Wrong_sums_turn_oneDNN_off_and_the_check_runs_again()
    {
        var states = new List<OneDnnState>();
        var faults = new Queue<string?>(["24 to 72 channels are wrong", null]);
        OneDnn.Verify(new OneDnnState(true, ""), faults.Dequeue, states.Add);
        Assert.Empty(faults);
        var state = Assert.Single(states);
        Assert.Equal((false, true), (state.IsOn, state.IsFault));
        Assert.Contains("24 to 72 channels are wrong", state.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void Where_sums_are_right_nothing_is_changed() =>
        OneDnn.Verify(new OneDnnState(true, ""), () => null, _ => Assert.Fail("nothing was to be changed"));

    [Theory]
    [InlineData(true, 2)]
    [InlineData(false, 1)]
    public void Where_they_are_wrong_without_oneDNN_too_it_refuses(bool isOn, int checks)
    {
        var seen = 0;
        var refusal = Assert.Throws<LatheException>(() => OneDnn.Verify(new OneDnnState(isOn, ""), () => $"fault {++seen}", _ => { }));
        Assert.Equal(checks, seen);
        Assert.Contains($"fault {checks}", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
        // Another worker of the cluster may compute right.
        Assert.Equal(FailureKind.Elsewhere, refusal.Kind);
    }

    /// <summary>The fault itself, as a machine with hidden caches has it, in a process of its own.</summary>
    [Fact]
    public async Task A_process_whose_oneDNN_sees_no_caches_turns_it_off_warns_once_and_computes_right()
    {
        Assert.SkipUnless(Avx2.IsSupported, "oneDNN was wrong with AVX2 and newer");
        var said = await HiddenCaches.PlayHidden();
        Assert.SkipWhen(said[0].StartsWith("cannot:", StringComparison.Ordinal), said[0]);
        Assert.Equal("off", said[0]);
        Assert.StartsWith(ProcessorCaches.AreHidden() ? "the processor reports no caches" : "its sums are wrong on this processor (float32 convolution", said[1], StringComparison.Ordinal);
        Assert.Equal("Float32 off", said[2]);
        Assert.StartsWith("oneDNN is turned off: ", said[3], StringComparison.Ordinal);
        Assert.Equal("no second warning", said[4]);
        Assert.Equal("right", said[5]);
    }

    [Fact]
    public async Task The_setting_off_needs_no_warning()
    {
        var said = await HiddenCaches.PlayHidden("off");
        Assert.Equal(["off", "LATHE_ONEDNN is off", "Float32 off", "no warning", "no second warning", "right"], said);
    }

    [Fact]
    public async Task Where_NNPACK_cannot_run_nothing_is_printed_about_it()
    {
        var said = await HiddenCaches.PlayWithoutNnpack();
        Assert.SkipWhen(said[0].StartsWith("cannot:", StringComparison.Ordinal), said[0]);
        Assert.Equal(["4 channels"], said);
    }

    [Fact]
    public async Task A_process_whose_convolutions_are_wrong_refuses_to_compute()
    {
        var said = await HiddenCaches.PlayWrong();
        Assert.Equal("refused", said[0]);
        Assert.StartsWith("libtorch computes wrong sums on this processor, so Lathe does not compute here: float32 convolution", said[1], StringComparison.Ordinal);
        Assert.Equal("refused again", said[2]);
    }
}
