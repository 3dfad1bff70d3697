using System.Runtime.InteropServices;
using Lathe.Build;
using Lathe.Contracts;
using Lathe.NN.Runtime;
using TorchSharp;

namespace Lathe.NN.Tests.Runtime;

public class LibtorchTests
{
    private const string Library = "libstdc++.so.6";
    private const string Version = "GLIBCXX_3.4.32";

    private static uint ElfHash(string name)
    {
        uint hash = 0;
        foreach (var c in name)
        {
            hash = (hash << 4) + c;
            hash = (hash ^ ((hash & 0xf0000000) >> 24)) & 0x0fffffff;
        }

        return hash;
    }

    private static string Native(string name) => Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", name);

    [Fact]
    public void A_tensor_operation_works_in_the_build_output()
    {
        Libtorch.EnsureLoaded();
        using var two = torch.ones(3) + torch.ones(3);
        Assert.Equal([2f, 2f, 2f], two.data<float>().ToArray());
    }

    [Fact]
    public void The_build_output_already_has_the_mark_and_marking_again_changes_nothing()
    {
        var elf = File.ReadAllBytes(Native("libLibTorchSharp.so"));
        var before = elf.ToArray();
        Assert.False(WeakVersionNeed.Mark(elf, Library, Version));
        Assert.Equal(before, elf);
    }

    [Fact]
    public void Marking_sets_one_flag_and_the_library_still_loads()
    {
        Libtorch.EnsureLoaded();
        var marked = File.ReadAllBytes(Native("libLibTorchSharp.so"));
        // Elf64_Vernaux: hash of the version's name, then the flags.
        var entry = BitConverter.GetBytes(ElfHash(Version)).Concat(new byte[] { 2, 0 }).ToArray();
        var at = marked.AsSpan().IndexOf(entry) + 4;
        var elf = marked.ToArray();
        elf[at] = 0;

        Assert.True(WeakVersionNeed.Mark(elf, Library, Version));
        Assert.Equal(marked, elf);

        var folder = Directory.CreateTempSubdirectory();
        try
        {
            // Beside its neighbours, which are found by $ORIGIN.
            foreach (var neighbour in Directory.GetFiles(Path.GetDirectoryName(Native("x"))!))
                File.CreateSymbolicLink(Path.Combine(folder.FullName, Path.GetFileName(neighbour)), neighbour);
            var copy = Path.Combine(folder.FullName, "libLibTorchSharp.so");
            File.Delete(copy);
            File.WriteAllBytes(copy, elf);
            Assert.True(NativeLibrary.TryLoad(copy, out _));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_version_that_is_truly_used_is_refused()
    {
        var elf = File.ReadAllBytes(Native("libLibTorchSharp.so"));
        var error = Assert.Throws<InvalidDataException>(() => WeakVersionNeed.Mark(elf, Library, "GLIBCXX_3.4.21"));
        Assert.Contains("GLIBCXX_3.4.21", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_libraries_are_refused()
    {
        var elf = File.ReadAllBytes(Native("libLibTorchSharp.so"));
        Assert.Throws<InvalidDataException>(() => WeakVersionNeed.Mark(elf[..1000], Library, Version));
        Assert.Throws<InvalidDataException>(() => WeakVersionNeed.Mark(new byte[100], Library, Version));
    }

    [Fact]
    public void The_output_has_no_library_that_only_python_or_tests_of_libtorch_need()
    {
        Assert.True(File.Exists(Native("libtorch_cpu.so")));
        Assert.False(File.Exists(Native("libtorch_python.so")));
        Assert.False(File.Exists(Native("libtorchbind_test.so")));
    }

    [Fact]
    public void A_missing_library_is_explained()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            var message = Libtorch.Explain(folder.FullName, new DllNotFoundException("x"));
            Assert.Contains("libc10.so is neither in " + folder.FullName, message, StringComparison.Ordinal);

            File.WriteAllText(Path.Combine(folder.FullName, "libc10.so"), new string('x', 4096));
            message = Libtorch.Explain(folder.FullName, new DllNotFoundException("x"));
            Assert.Contains("libc10.so", message, StringComparison.Ordinal);
            Assert.Contains("invalid ELF header", message, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Each_thread_has_its_own_number_of_compute_threads()
    {
        var other = await OnAThreadOfItsOwn(() =>
        {
            TorchRuntime.Configure(3);
            TorchRuntime.Configure();
            return (torch.get_num_threads(), TorchRuntime.Threads);
        });
        Assert.Equal((3, 3), other);
        Assert.Equal((1, 1), await OnAThreadOfItsOwn(() =>
        {
            TorchRuntime.Configure(1);
            return (torch.get_num_threads(), TorchRuntime.Threads);
        }));
        Assert.Throws<LatheException>(() => TorchRuntime.Configure(0));
    }

    /// <summary>A float sum's last bits depend on how it is split among threads, so equal bits mean an equal split.</summary>
    [Fact]
    public async Task What_others_compute_beside_it_does_not_change_a_thread_s_bits()
    {
        var alone = await OnAThreadOfItsOwn(() => Sums(1));
        using var configured = new Barrier(2);
        var both = await Task.WhenAll(new[] { 2, 1 }.Select(threads => OnAThreadOfItsOwn(() =>
        {
            TorchRuntime.Configure(threads);
            configured.SignalAndWait(TestContext.Current.CancellationToken);
            return Sums(threads);
        })));
        Assert.NotEqual(alone, both[0]);
        Assert.Equal(alone, both[1]);

        static byte[] Sums(int threads)
        {
            TorchRuntime.Configure(threads);
            using var scope = torch.NewDisposeScope();
            var sums = torch.arange(1L << 20).mul(0.37f).sin().square().sum().unsqueeze(0);
            for (var i = 1; i < 8; i++)
                sums = torch.cat([sums, torch.arange(1L << 20).mul(0.37f + i).sin().square().sum().unsqueeze(0)]);
            return sums.bytes.ToArray();
        }
    }

    private static Task<T> OnAThreadOfItsOwn<T>(Func<T> compute) => Task.Factory.StartNew(
        compute, TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    [Fact]
    public void Versions_name_what_computes()
    {
        TorchRuntime.Configure(1);
        var versions = TorchRuntime.Versions();
        Assert.Equal(["instructions", "lathe", "onednn", "precision", "threads", "torch", "torchsharp"], versions.Keys);
        Assert.Equal("1", versions["threads"]);
        Assert.Equal("0.107.0", versions["torchsharp"]);
        Assert.StartsWith("2.10", versions["torch"], StringComparison.Ordinal);
        Assert.Equal("0.1.0", versions["lathe"]);
    }
}
