"""The results of all commands as frozen dataclasses: the schema of the files and of ``--json``.

Results are written by ``as_json`` and read by ``from_json`` of `typed_json`, which checks them.
``docs/reference/files.md`` is generated from the classes below. A value that cannot be computed is NaN here and null in
JSON.
"""

from shoptalk.results.analysis import (
    CalibrationBin,
    ErrorAnalysis,
    ErrorExample,
    ErrorGroup,
    PositionReport,
    PositionShare,
    ShortenedHistory,
    ShortenedStep,
    WordBias,
)
from shoptalk.results.audit import AuditedFile, AuditResult, Finding, NotChecked, Severity
from shoptalk.results.choice import ChoiceResult, CurvePoint, ExpectedModel, MethodCurve
from shoptalk.results.comparison import ComparedRecipe, ComparisonResult, SeededEstimate
from shoptalk.results.cost import Cost, Energy
from shoptalk.results.dataset import DatasetInfo, PrepareResult, SourceFile, TableFile
from shoptalk.results.evaluation import EvaluationResult, RankingMethod, RunResult, SamplePrompt, TrainingFacts, Verdict
from shoptalk.results.figures import NOT_MEASURED, Comparison, Difference, Metrics
from shoptalk.results.models import AddedModel, MemoryNeeds, ModelEntry, ModelsResult
from shoptalk.results.online import (
    ArmComparison,
    ArmResult,
    ExperimentResult,
    OffPolicyEstimate,
    OnlineResult,
    SampleRatio,
)
from shoptalk.results.page import schema_page
from shoptalk.results.recommendation import HistoryEffect, HistoryItem, RecommendedItem, RecommendResult, SourceEffect
from shoptalk.results.sample import SampleResult
from shoptalk.results.storage import AUDIT, METRICS, read_audit, read_evaluation, write_result
from shoptalk.results.sweep import SweepResult, SweepWinner, TrialResult
from shoptalk.results.teacher import TeachResult
from shoptalk.schema import Estimate
from shoptalk.typed_json import as_json, from_json

__all__ = [
    "AUDIT",
    "METRICS",
    "NOT_MEASURED",
    "AddedModel",
    "ArmComparison",
    "ArmResult",
    "AuditResult",
    "AuditedFile",
    "CalibrationBin",
    "ChoiceResult",
    "ComparedRecipe",
    "Comparison",
    "ComparisonResult",
    "Cost",
    "CurvePoint",
    "DatasetInfo",
    "Difference",
    "Energy",
    "ErrorAnalysis",
    "ErrorExample",
    "ErrorGroup",
    "Estimate",
    "EvaluationResult",
    "ExpectedModel",
    "ExperimentResult",
    "Finding",
    "HistoryEffect",
    "HistoryItem",
    "MemoryNeeds",
    "MethodCurve",
    "Metrics",
    "ModelEntry",
    "ModelsResult",
    "NotChecked",
    "OffPolicyEstimate",
    "OnlineResult",
    "PositionReport",
    "PositionShare",
    "PrepareResult",
    "RankingMethod",
    "RecommendResult",
    "RecommendedItem",
    "RunResult",
    "SamplePrompt",
    "SampleRatio",
    "SampleResult",
    "SeededEstimate",
    "Severity",
    "ShortenedHistory",
    "ShortenedStep",
    "SourceEffect",
    "SourceFile",
    "SweepResult",
    "SweepWinner",
    "TableFile",
    "TeachResult",
    "TrainingFacts",
    "TrialResult",
    "Verdict",
    "WordBias",
    "as_json",
    "from_json",
    "read_audit",
    "read_evaluation",
    "schema_page",
    "write_result",
]
