using System.Text.Json;

namespace Lathe.Contracts;

/// <summary>One run of a stage, as the history of what it makes names it.</summary>
/// <param name="Stage">Name of the stage.</param>
/// <param name="Version">Version of the stage.</param>
/// <param name="Parameters">All its parameters, defaults filled in.</param>
/// <param name="Seed">Seed it runs with.</param>
/// <param name="Input">Checkpoint it starts from; null for a stage that needs none.</param>
/// <param name="Data">Data set it uses; null for a stage that reads none.</param>
public sealed record StageStep(string Stage, string Version, JsonElement Parameters, long Seed, CheckpointRef? Input, DataRef? Data);
