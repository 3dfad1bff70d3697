using System.CommandLine;
using System.Text.Json;
using Lathe.Cli.Output;
using Lathe.Contracts;
using Lathe.Graph.Models;
using Lathe.Graph.Sizing;
using Lathe.Reports.Terminals;

namespace Lathe.Cli.Commands;

/// <summary><c>lathe models</c></summary>
internal static class ModelsCommand
{
    // Columns of a terminal that has room for them.
    private const int WithSummaries = 110;

    private sealed record Model(string Name, string Dataset, long Parameters, long Multiplications, string Summary);

    public static Command Create()
    {
        var names = new Argument<string[]>("NAME")
        {
            Description = $"Models to show, each with or without a width, as in resnet20@0.5: names of the list, and {Zoo.BeyondEntries}. Default: the list.",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var json = new Option<bool>("--json") { Description = "Print a JSON array: name, dataset, parameters, multiplications, summary." };
        var command = new Command("models", "Lists the models that a sweep may name, with their dense size on their usual data set.") { names, json };
        command.SetAction(call =>
        {
            var asked = call.GetValue(names) ?? [];
            var models = (asked.Length == 0 ? Zoo.Entries : asked.Select(Zoo.Entry)).Select(Describe).ToList();
            if (call.GetValue(json)) Console.Out.WriteLine(JsonSerializer.Serialize(models, LatheJson.Indented));
            else Show(models, isList: asked.Length == 0);
        });
        return command;
    }

    private static Model Describe(ZooEntry entry)
    {
        var size = Complexity.Of(Zoo.Build(entry.Name, entry.Input, entry.Classes));
        return new Model(entry.Name, entry.DataSet, size.Parameters, size.Multiplications, entry.Summary);
    }

    private static void Show(IEnumerable<Model> models, bool isList)
    {
        var terminal = new Terminal();
        var table = new TextTable(
            new TextColumn("name", Wraps: true), new TextColumn("dataset", Wraps: true), new TextColumn("parameters", IsRight: true),
            new TextColumn("multiplications", IsRight: true), new TextColumn("", Wraps: true));
        foreach (var model in models)
        {
            table.Add(
                model.Name, model.Dataset, $"{model.Parameters:#,0}", $"{model.Multiplications:#,0}", terminal.Width >= WithSummaries ? model.Summary : "");
        }

        terminal.Write(table.Content);
        if (!isList) return;
        terminal.Line($"and {Zoo.BeyondEntries};");
        terminal.Line("each also with a width: resnet20@0.5 has half as many channels in every layer");
    }
}
